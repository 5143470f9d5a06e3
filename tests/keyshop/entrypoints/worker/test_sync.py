"""The schedule reaches the supplier's catalogue."""

from datetime import UTC, datetime

from structlog.testing import capture_logs

from keyshop.entrypoints.worker.sync import HANDLERS, on_full_sync_due, on_stock_check_due
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Conflict
from keyshop.sync.jobs import StockCheckDue, SyncFullDue
from tests.factories.jobs import ProbeShop, read_job_log

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class BusyShop(ProbeShop):
    """A shop in which a sync is running already."""

    async def run_full_sync(self) -> None:
        raise Conflict("A full sync is running already.")

    async def run_stock_check(self) -> None:
        raise Conflict("A stock check is running already.")


class TestSyncJobs:
    async def test_run_the_sync_that_is_due(self, shop: ProbeShop):
        await on_full_sync_due(shop, SyncFullDue(due_at=NOON))
        await on_stock_check_due(shop, StockCheckDue(due_at=NOON))

        assert await read_job_log(shop.db) == ["full sync", "stock check"]

    async def test_do_nothing_while_another_sync_runs(self, db: Database, database_url: str):
        busy = BusyShop(db, database_url)

        with capture_logs() as logs:
            await on_full_sync_due(busy, SyncFullDue(due_at=NOON))
            await on_stock_check_due(busy, StockCheckDue(due_at=NOON))

        assert [line["reason"] for line in logs] == [
            "A full sync is running already.",
            "A stock check is running already.",
        ]

    def test_all_have_a_handler(self):
        names = {handler.name for handler in HANDLERS}

        assert names == {SyncFullDue.name, StockCheckDue.name}
