"""The jobs of orders in the worker."""

from pathlib import Path

from keyshop.entrypoints.worker.orders import HANDLERS, on_orphans_due
from keyshop.entrypoints.worker.run import HANDLERS as ALL_HANDLERS
from keyshop.kit.database.pool import Database
from keyshop.orders.jobs import OrphansDue
from tests.factories.changed_orders import open_desk
from tests.factories.games import NOON
from tests.factories.jobs import ProbeShop
from tests.factories.wallet import balance_of, make_customer


class TestOnOrphansDue:
    async def test_refunds_the_orders_that_another_program_has_deleted(
        self, db: Database, database_url: str, tmp_path: Path
    ):
        desk = await open_desk(db, tmp_path)
        alice = await make_customer(db, "10.00")
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM orders WHERE id = $1", order_id)

        await on_orphans_due(ProbeShop(db=db, database_url=database_url), OrphansDue(due_at=NOON))

        assert await balance_of(db, alice) == 10
        assert {handler.name for handler in HANDLERS} <= {each.name for each in ALL_HANDLERS}
