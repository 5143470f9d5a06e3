"""Cancelling orders, by their customers and by operators."""

import asyncio
from decimal import Decimal

import pytest

from keyshop.kit.database.pool import Database
from keyshop.orders.cancel import cancel_order, cancel_own_order
from keyshop.orders.errors import BuyingPaused, NotCancellable, OrderNotFound
from keyshop.orders.models import Delivery, DeliveryOutcome
from keyshop.orders.refund_order import refund_order
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import jobs, select_rows
from tests.factories.games import NOON
from tests.factories.promos import make_promo
from tests.factories.wallet import balance_of, ledger_of, make_customer

_REASONS = "SELECT reason, by, is_requested FROM keyshop.refunds WHERE order_id = $1"


async def _cancel(desk: OrderDesk, order_id: str, user_id: str, reason: str | None = None) -> None:
    await cancel_own_order(desk.db, order_id, user_id=user_id, reason=reason, now=NOON)


class TestCancelOwnOrder:
    async def test_gives_all_of_the_money_and_the_promo_code_back(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        promo = await make_promo(db, maxUses=1)
        order_id = await desk.place(alice, {await desk.add_game(): 3}, promo=promo.code)

        await _cancel(desk, order_id, alice, "I have changed my mind.")

        assert await desk.status(order_id) == ("CANCELLED", "CANCELLED")
        assert await balance_of(db, alice) == Decimal("100.00")
        refunds = [row["amount"] for row in await ledger_of(db, alice) if row["type"] == "REFUND"]
        assert refunds == [Decimal("27.00")]
        reasons = {tuple(row) for row in await select_rows(db, _REASONS, order_id)}
        assert reasons == {("I have changed my mind.", "customer", True)}
        assert ("mail_order", {"order_id": order_id, "kind": "final"}) in await jobs(db)
        await desk.place(alice, {await desk.add_game(): 1}, promo=promo.code)
        assert await desk.violations() == []

    async def test_again_changes_nothing(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})

        await asyncio.gather(*(_cancel(desk, order_id, alice) for _ in range(20)))

        assert await balance_of(db, alice) == Decimal("100.00")
        assert len(await select_rows(db, _REASONS, order_id)) == 1

    async def test_refunds_an_order_that_another_program_has_called_cancelled(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        async with db.transaction() as tx:
            await tx.execute("UPDATE orders SET status = 'CANCELLED' WHERE id = $1", order_id)

        await _cancel(desk, order_id, alice)

        assert await balance_of(db, alice) == Decimal("100.00")
        assert await desk.status(order_id) == ("CANCELLED", "CANCELLED")
        assert await desk.violations() == []

    async def test_is_refused_as_soon_as_one_key_is_delivered(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(keys=1): 2})

        with pytest.raises(NotCancellable):
            await _cancel(desk, order_id, alice)

        assert await balance_of(db, alice) == Decimal("80.00")
        # Not even when that one was refunded: the customer has seen its key.
        delivered = await select_rows(
            db, "SELECT id FROM keyshop.order_units WHERE state = 'DELIVERED'"
        )
        await refund_order(
            db, order_id, unit_id=delivered[0]["id"], by="olga", reason="faulty", now=NOON
        )
        with pytest.raises(NotCancellable):
            await _cancel(desk, order_id, alice)

    async def test_of_anothers_order_is_as_if_there_were_none(self, db: Database, desk: OrderDesk):
        alice, bob = await make_customer(db), await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})

        for guessed in (order_id, order_id[:8], "no-order"):
            with pytest.raises(OrderNotFound):
                await _cancel(desk, guessed, bob)

        assert await desk.status(order_id) == ("PROCESSING", "COMPLETED")

    async def test_of_an_order_of_another_program_is_refused(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO orders (id, "userId", status, subtotal, total)'
                " VALUES ('old', $1, 'PENDING', 5, 5)",
                alice,
            )

        with pytest.raises(NotCancellable):
            await _cancel(desk, "old", alice)

    async def test_is_postponed_while_it_is_unknown_what_was_lost(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")

        with pytest.raises(BuyingPaused):
            await _cancel(desk, order_id, alice)

        assert await desk.states(order_id) == ["OPEN"]

    async def test_against_fifty_deliveries_has_exactly_one_winner(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db, "1000.00")
        game = await desk.add_game()
        orders = [await desk.place(alice, {game: 1}, now=NOON.replace(day=day)) for day in (1, 2)]
        keys = await desk.add_keys(game, 50)
        outcomes = []

        for order_id in orders:
            [unit] = await desk.list_units(order_id)
            deliveries = [desk.deliver(unit, key) for key in keys[:25]]
            keys = keys[25:]
            cancels = [_cancel(desk, order_id, alice) for _ in range(25)]
            both = deliveries + cancels if order_id == orders[0] else cancels + deliveries
            outcomes.append(await asyncio.gather(*both, return_exceptions=True))

        for order_id, results in zip(orders, outcomes, strict=True):
            delivered = [
                each
                for each in results
                if isinstance(each, Delivery) and each.outcome is DeliveryOutcome.DELIVERED
            ]
            unexpected = [
                each
                for each in results
                if isinstance(each, Exception) and not isinstance(each, NotCancellable)
            ]
            assert unexpected == []
            status, _ = await desk.status(order_id)
            assert (status, len(delivered)) in {("COMPLETED", 1), ("CANCELLED", 0)}
        assert await desk.violations() == []


class TestCancelOrder:
    async def test_by_an_operator_follows_the_same_rule_and_is_in_the_journal(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2})
        delivered = await desk.place(alice, {await desk.add_game(keys=1): 1})

        refunded = await cancel_order(db, order_id, by="olga", reason="fraud", now=NOON)
        with pytest.raises(NotCancellable):
            await cancel_order(db, delivered, by="olga", reason="fraud", now=NOON)
        with pytest.raises(NotCancellable):
            await cancel_order(db, order_id, by="olga", reason="fraud", now=NOON)

        assert (refunded.amount, len(refunded.unit_ids)) == (Decimal("20.00"), 2)
        [entry] = await select_rows(
            db, "SELECT actor, action, subject_id FROM keyshop.journal ORDER BY id"
        )
        assert tuple(entry) == ("olga", "orders.cancel", order_id)
        assert await desk.violations() == []
