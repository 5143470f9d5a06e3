"""An operator sends the mail about an order again."""

import asyncio
from contextvars import Context

import msgspec
import pytest

from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.orders.errors import NoAddress, NothingToSend, OrderNotFound
from keyshop.orders.jobs import MailOrder
from keyshop.orders.mails import compose
from keyshop.orders.resend import resend
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import select_rows
from tests.factories.games import NOON
from tests.factories.wallet import make_customer


async def send_again(db: Database, order_id: str) -> MailOrder:
    async with db.transaction() as tx:
        return await resend(tx, order_id, by="olga", now=NOON)


async def waiting_copies(db: Database) -> list[MailOrder]:
    """Return the jobs of mails that are sent again, the oldest first."""
    waiting = await select_rows(
        db, "SELECT payload FROM keyshop.pgqueuer WHERE entrypoint = 'mail_order' ORDER BY id"
    )
    jobs = [msgspec.json.decode(row["payload"], type=MailOrder) for row in waiting]
    return [job for job in jobs if job.copy]


class TestResend:
    async def test_sends_the_final_mail_with_its_keys_under_a_new_id(self, db, desk: OrderDesk):
        order_id = await desk.place(await make_customer(db), {await desk.add_game(2): 2})

        first, second = await send_again(db, order_id), await send_again(db, order_id)

        assert await waiting_copies(db) == [first, second]
        mails = [await compose(db, desk.parts, job, "", now=NOON) for job in (first, second)]
        assert [mail and mail.id for mail in mails] == [
            f"order-{order_id}-final-1",
            f"order-{order_id}-final-2",
        ]
        assert mails[0] is not None
        assert [len(line["key_texts"]) for line in mails[0].lines] == [2]

    async def test_confirms_an_order_that_is_open(self, db, desk: OrderDesk):
        order_id = await desk.place(await make_customer(db), {await desk.add_game(): 1})

        job = await send_again(db, order_id)

        mail = await compose(db, desk.parts, job, "", now=NOON)
        assert mail is not None
        assert mail.id == f"order-{order_id}-placed-1"

    async def test_is_recorded(self, db, desk: OrderDesk):
        order_id = await desk.place(await make_customer(db), {await desk.add_game(1): 1})

        await send_again(db, order_id)

        async with db.read() as reader:
            [entry] = await list_entries(reader, Subject("order", order_id))
        assert (entry.actor, entry.action) == ("olga", "orders.resend")
        assert entry.details == {"mail": "final", "copy": 1}
        events = await select_rows(
            db, "SELECT actor FROM keyshop.order_events WHERE kind = 'mail.resent'"
        )
        assert [event["actor"] for event in events] == ["olga"]

    async def test_in_parallel_never_gives_two_mails_one_id(self, db, desk: OrderDesk):
        order_id = await desk.place(await make_customer(db), {await desk.add_game(1): 1})

        sending = [
            asyncio.create_task(send_again(db, order_id), context=Context()) for _ in range(8)
        ]
        jobs = await asyncio.gather(*sending)

        assert sorted(job.copy for job in jobs) == list(range(1, 9))

    async def test_of_an_erased_customers_order_is_refused(self, db, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(1): 1})
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE users SET email = 'erased-1@erased.invalid' WHERE id = $1", alice
            )

        with pytest.raises(NoAddress):
            await send_again(db, order_id)

        assert await waiting_copies(db) == []

    async def test_of_an_unknown_order_is_refused(self, db):
        with pytest.raises(OrderNotFound):
            await send_again(db, "unknown")

    @pytest.mark.parametrize("status", ["PENDING", "PROCESSING"])
    async def test_of_another_programs_open_order_is_refused(self, db, status: str):
        order_id, alice = new_id(), await make_customer(db, "0")
        async with db.transaction() as tx:
            await tx.execute(
                """INSERT INTO orders (id, "userId", status, subtotal, total)
                VALUES ($1, $2, $3::text::"OrderStatus", 5, 5)""",
                *(order_id, alice, status),
            )

        with pytest.raises(NothingToSend):
            await send_again(db, order_id)
