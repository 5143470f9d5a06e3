"""Keys that reach an order after it was placed, hints, and which units are due."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from keyshop.kit.database.pool import Database
from keyshop.orders.errors import BuyingPaused, KeyNotFree
from keyshop.orders.hint import hint
from keyshop.orders.list_due import list_due
from keyshop.orders.models import Delivery, DeliveryOutcome, UnitRef
from keyshop.orders.refund_order import refund_order
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import jobs, select_rows
from tests.factories.games import NOON
from tests.factories.wallet import balance_of, make_customer

_KEY = "SELECT state, order_id, unit_id FROM keyshop.vault_keys WHERE id = $1"
_STOCK = 'SELECT "inStock" FROM games WHERE id = $1'
_IN_PLAIN = 'SELECT "orderId" FROM game_keys WHERE id = $1'
_MINUTE = timedelta(minutes=1)


class TestDeliver:
    async def test_gives_the_unit_its_key_and_completes_the_order(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game(g2aStock=True)
        order_id = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(order_id)
        [key] = await desk.add_keys(game)
        async with db.transaction() as tx:
            await tx.execute('UPDATE games SET "g2aStock" = false WHERE id = $1', game)

        delivery = await desk.deliver(unit, key, now=NOON + _MINUTE)

        assert delivery == Delivery(outcome=DeliveryOutcome.DELIVERED, seq=1)
        assert await desk.status(order_id) == ("COMPLETED", "COMPLETED")
        [stored] = await select_rows(db, _KEY, key)
        assert tuple(stored) == ("delivered", order_id, unit.id)
        assert [row["orderId"] for row in await select_rows(db, _IN_PLAIN, key)] == [order_id]
        assert [row["inStock"] for row in await select_rows(db, _STOCK, game)] == [False]
        [order] = await select_rows(db, 'SELECT "completedAt" FROM orders WHERE id = $1', order_id)
        assert order["completedAt"] == NOON + _MINUTE
        assert ("mail_order", {"order_id": order_id, "kind": "final"}) in await jobs(db)
        assert await desk.violations() == []

    async def test_refuses_a_key_of_another_game(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        [unit] = await desk.list_units(order_id)
        [key] = await desk.add_keys(await desk.add_game())

        with pytest.raises(KeyNotFree):
            await desk.deliver(unit, key, now=NOON)

        [stored] = await select_rows(db, _KEY, key)
        assert tuple(stored) == ("free", None, None)
        assert await desk.status(order_id) == ("PROCESSING", "COMPLETED")

    async def test_mails_the_keys_of_an_order_that_another_program_has_called_completed(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(order_id)
        async with db.transaction() as tx:
            await tx.execute("UPDATE orders SET status = 'COMPLETED' WHERE id = $1", order_id)
        [key] = await desk.add_keys(game)

        await desk.deliver(unit, key)

        final = {"order_id": order_id, "kind": "final"}
        assert ("mail_order", final) in await jobs(db)
        assert await desk.violations() == []

    async def test_again_with_the_same_key_changes_nothing(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        game = await desk.add_game()
        [unit] = await desk.list_units(await desk.place(alice, {game: 1}))
        [key] = await desk.add_keys(game)

        outcomes = await asyncio.gather(*(desk.deliver(unit, key) for _ in range(20)))

        found = sorted(each.outcome for each in outcomes)
        assert found == [DeliveryOutcome.ALREADY] * 19 + [DeliveryOutcome.DELIVERED]
        assert await desk.violations() == []

    async def test_of_one_key_to_fifty_units_reaches_one_of_them(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db, "1000.00")
        game = await desk.add_game()
        units = await desk.list_units(await desk.place(alice, {game: 50}))
        [key] = await desk.add_keys(game)

        outcomes = await asyncio.gather(
            *(desk.deliver(unit, key) for unit in units), return_exceptions=True
        )

        assert len([each for each in outcomes if isinstance(each, Delivery)]) == 1
        assert {type(each) for each in outcomes} == {Delivery, KeyNotFree}
        assert await desk.violations() == []

    async def test_to_a_refunded_unit_leaves_the_key_for_sale(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(order_id)
        await refund_order(db, order_id, by="olga", reason="late", now=NOON)
        [key] = await desk.add_keys(game)

        delivery = await desk.deliver(unit, key)

        assert delivery == Delivery(outcome=DeliveryOutcome.FINAL)
        assert await desk.status(order_id) == ("CANCELLED", "CANCELLED")
        assert await balance_of(db, alice) == Decimal("100.00")
        another = await desk.place(alice, {game: 1})
        assert await desk.states(another) == ["DELIVERED"]
        assert await desk.violations() == []

    async def test_of_a_key_that_another_program_has_touched_is_refused(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        [unit] = await desk.list_units(await desk.place(alice, {game: 1}))
        activated, deleted = await desk.add_keys(game, 2)
        async with db.transaction() as tx:
            await tx.execute("UPDATE game_keys SET activated = true WHERE id = $1", activated)
            await tx.execute("DELETE FROM game_keys WHERE id = $1", deleted)

        for key in (activated, deleted, "no-key"):
            with pytest.raises(KeyNotFree):
                await desk.deliver(unit, key)

        assert await desk.states(unit.order_id) == ["OPEN"]

    async def test_of_own_keys_waits_while_it_is_unknown_what_was_lost(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 2})
        own, bought = await desk.list_units(order_id)
        own_key, bought_key = await desk.add_keys(game, 2)
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")
            await tx.execute(
                "UPDATE keyshop.vault_keys SET source = 'supplier' WHERE id = $1", bought_key
            )

        with pytest.raises(BuyingPaused):
            await desk.deliver(own, own_key)
        delivery = await desk.deliver(bought, bought_key)

        assert delivery == Delivery(outcome=DeliveryOutcome.DELIVERED)
        assert await desk.states(order_id) == ["OPEN", "DELIVERED"]

    async def test_reaches_an_erased_customer_too(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 1})
        [unit] = await desk.list_units(order_id)
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE users SET email = 'erased-1@erased.invalid', \"passwordHash\" = '!'"
                " WHERE id = $1",
                alice,
            )
        [key] = await desk.add_keys(game)

        await desk.deliver(unit, key)
        await refund_order(db, order_id, by="olga", reason="erased", now=NOON)

        assert await balance_of(db, alice) == Decimal("100.00")
        assert await desk.violations() == []


class TestHint:
    async def test_makes_open_units_due_and_leaves_all_others(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        game = await desk.add_game()
        late, early, refunded = await desk.list_units(await desk.place(alice, {game: 3}))
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE keyshop.order_units SET next_at = $1 WHERE id = $2", NOON + _MINUTE, late.id
            )
        await refund_order(
            db, refunded.order_id, unit_id=refunded.id, by="olga", reason="late", now=NOON
        )

        async with db.transaction() as tx:
            changed = await hint(tx, [late.id, early.id, refunded.id, "unknown", late.id], now=NOON)
            assert await hint(tx, [], now=NOON) == 0

        assert changed == 1
        async with db.read() as reader:
            due = await list_due(reader, now=NOON, limit=10)
        assert [unit.id for unit in due] == sorted([late.id, early.id])

    async def test_beside_refunds_of_the_same_units_never_collides(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        order_id = await desk.place(alice, {game: 8})
        units = await desk.list_units(order_id)

        async def hint_all(ids: list[str]) -> int:
            async with db.transaction() as tx:
                return await hint(tx, ids, now=NOON)

        ids = [unit.id for unit in units]
        await asyncio.gather(
            *(hint_all(ids[::-1] if number % 2 else ids) for number in range(20)),
            refund_order(db, order_id, by="olga", reason="late", now=NOON),
        )

        assert set(await desk.states(order_id)) == {"REFUNDED"}


class TestListDue:
    async def test_begins_with_the_unit_that_has_waited_for_longest(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game()
        second = await desk.place(alice, {game: 1}, now=NOON)
        first = await desk.place(alice, {game: 1}, now=NOON - _MINUTE)
        await desk.place(alice, {game: 1}, now=NOON + _MINUTE)

        async with db.read() as reader:
            due = await list_due(reader, now=NOON, limit=10)
            limited = await list_due(reader, now=NOON, limit=1)

        assert [unit.order_id for unit in due] == [first, second]
        assert limited == due[:1]
        assert isinstance(due[0], UnitRef)


class TestPlace:
    async def test_leaves_a_job_for_each_open_unit(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(keys=1): 3})

        due = [job["unit_id"] for name, job in await jobs(db) if name == "orders.unit_due"]

        states = await desk.states(order_id)
        units = [unit.id for unit in await desk.list_units(order_id)]
        assert sorted(due) == [
            unit for unit, state in zip(units, states, strict=True) if state == "OPEN"
        ]
        assert len(due) == 2
