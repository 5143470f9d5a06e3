"""Refunds of units and whole orders: each unit once, to the cent, by the shop and by operators."""

import asyncio
from decimal import Decimal

import pytest

from keyshop.kit.database.pool import Database
from keyshop.orders.errors import (
    AlreadyRefunded,
    BuyingPaused,
    NothingToRefund,
    NotPlacedHere,
    OrderNotFound,
    UnitNotFound,
)
from keyshop.orders.models import Refunded, UnitRef
from keyshop.orders.refund import refund
from keyshop.orders.refund_order import refund_order
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import jobs, select_rows
from tests.factories.games import NOON
from tests.factories.promos import make_promo
from tests.factories.wallet import balance_of, ledger_of, make_customer

_REFUNDS = """
    SELECT unit_id, amount, reason, by, is_requested, transaction_id IS NOT NULL AS has_row
    FROM keyshop.refunds WHERE order_id = $1 ORDER BY unit_id
"""
_KEYS = "SELECT state, order_id FROM keyshop.vault_keys ORDER BY state"


async def _refund(desk: OrderDesk, unit: UnitRef) -> Refunded | None:
    return await desk.db.run(
        lambda tx: refund(tx, unit, "the supplier has none", now=NOON), attempts=5
    )


async def _refund_order(desk: OrderDesk, order_id: str, unit_id: str | None = None) -> Refunded:
    return await refund_order(
        desk.db, order_id, unit_id=unit_id, by="olga", reason="does not work", now=NOON
    )


class TestRefund:
    async def test_gives_back_what_the_unit_cost_and_fails_an_order_that_has_no_other(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db, "10.00")
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        [unit] = await desk.list_units(order_id)

        refunded = await _refund(desk, unit)

        assert refunded == Refunded(
            order_id=order_id, unit_ids=[unit.id], amount=Decimal("10.00"), status="FAILED"
        )
        assert await balance_of(db, alice) == Decimal("10.00")
        assert await desk.status(order_id) == ("FAILED", "CANCELLED")
        [*_, row] = await ledger_of(db, alice)
        assert (row["type"], row["amount"], row["orderId"]) == ("REFUND", Decimal("10.00"), None)
        [stored] = await select_rows(db, _REFUNDS, order_id)
        assert tuple(stored) == (
            unit.id, Decimal("10.00"), "the supplier has none", "shop", False, True,
        )  # fmt: skip
        assert await desk.violations() == []

    async def test_of_the_last_open_unit_completes_an_order_with_a_delivered_one(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db, "20.00")
        game = await desk.add_game(keys=1)
        order_id = await desk.place(alice, {game: 2})
        [open_] = [
            unit
            for unit, state in zip(
                await desk.list_units(order_id), await desk.states(order_id), strict=True
            )
            if state == "OPEN"
        ]

        await _refund(desk, open_)

        assert sorted(await desk.states(order_id)) == ["DELIVERED", "REFUNDED"]
        assert await desk.status(order_id) == ("COMPLETED", "COMPLETED")
        assert ("mail_order", {"order_id": order_id, "kind": "final"}) in await jobs(db)
        assert await balance_of(db, alice) == Decimal("10.00")
        assert await desk.violations() == []

    async def test_of_a_delivered_unit_is_nothing_that_the_shop_does_by_itself(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(keys=1): 1})
        [unit] = await desk.list_units(order_id)

        assert await _refund(desk, unit) is None
        assert await desk.status(order_id) == ("COMPLETED", "COMPLETED")

    async def test_fifty_times_in_parallel_happens_once(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2})
        unit, other = await desk.list_units(order_id)

        outcomes = await asyncio.gather(
            *(_refund(desk, unit) for _ in range(25)),
            *(_refund_order(desk, order_id, unit.id) for _ in range(25)),
            return_exceptions=True,
        )

        assert len([each for each in outcomes if isinstance(each, Refunded)]) == 1
        assert {type(each) for each in outcomes} <= {Refunded, type(None), AlreadyRefunded}
        assert await balance_of(db, alice) == Decimal("90.00")
        assert await _refund(desk, other) is not None
        assert await desk.violations() == []

    async def test_while_it_is_unknown_what_was_lost_is_postponed(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        [unit] = await desk.list_units(order_id)
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")

        with pytest.raises(BuyingPaused):
            await _refund(desk, unit)
        with pytest.raises(BuyingPaused):
            await _refund_order(desk, order_id)

        assert await desk.states(order_id) == ["OPEN"]
        assert await balance_of(db, alice) == Decimal("90.00")

    async def test_goes_to_the_customer_who_paid_even_where_another_one_has_the_order_now(
        self, db: Database, desk: OrderDesk
    ):
        alice, bob = await make_customer(db), await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        async with db.transaction() as tx:
            await tx.execute('UPDATE orders SET "userId" = $2 WHERE id = $1', order_id, bob)

        await _refund_order(desk, order_id)

        assert await balance_of(db, alice) == Decimal("100.00")
        assert await balance_of(db, bob) == Decimal("100.00")

    async def test_is_not_stopped_by_a_status_that_another_program_has_set(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 2})
        async with db.transaction() as tx:
            await tx.execute("UPDATE orders SET status = 'FAILED' WHERE id = $1", order_id)
        unit, _ = await desk.list_units(order_id)

        await _refund(desk, unit)

        assert await desk.status(order_id) == ("PROCESSING", "COMPLETED")
        assert await desk.violations() == []


class TestRefundOrder:
    async def test_of_one_unit_revokes_its_key_and_leaves_the_rest(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(keys=2): 2})
        unit, _ = await desk.list_units(order_id)

        refunded = await _refund_order(desk, order_id, unit.id[:8])

        assert refunded.unit_ids == [unit.id]
        assert await desk.states(order_id) == ["REFUNDED", "DELIVERED"]
        assert await desk.status(order_id) == ("COMPLETED", "COMPLETED")
        assert [tuple(key) for key in await select_rows(db, _KEYS)] == [
            ("delivered", order_id),
            ("revoked", order_id),
        ]
        assert ("mail_unit_refunded", {"unit_id": unit.id}) in await jobs(db)
        assert await balance_of(db, alice) == Decimal("90.00")
        assert await desk.violations() == []

    async def test_of_all_cancels_the_completed_order_in_one_row_of_the_ledger(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        game = await desk.add_game(keys=3)
        order_id = await desk.place(alice, {game: 3})

        refunded = await _refund_order(desk, order_id)

        assert (refunded.amount, refunded.status) == (Decimal("30.00"), "CANCELLED")
        assert await desk.status(order_id) == ("CANCELLED", "CANCELLED")
        rows = [row for row in await ledger_of(db, alice) if row["type"] == "REFUND"]
        assert [row["amount"] for row in rows] == [Decimal("30.00")]
        assert {key["state"] for key in await select_rows(db, _KEYS)} == {"revoked"}
        [entry] = await select_rows(
            db, "SELECT actor, action, subject, subject_id FROM keyshop.journal"
        )
        assert tuple(entry) == ("olga", "orders.refund", "order", order_id)
        assert await desk.violations() == []

    async def test_never_sells_a_revoked_key_again(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        game = await desk.add_game(keys=1)
        await _refund_order(desk, await desk.place(alice, {game: 1}))

        order_id = await desk.place(alice, {game: 1})

        assert await desk.states(order_id) == ["OPEN"]

    async def test_of_what_was_refunded_is_refused_with_a_sentence(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 1})
        [unit] = await desk.list_units(order_id)
        # Fewer than eight characters may be a slip.
        for short in (unit.id[:1], unit.id[:7]):
            with pytest.raises(UnitNotFound):
                await _refund_order(desk, order_id, short)
        await _refund_order(desk, order_id)

        with pytest.raises(NothingToRefund):
            await _refund_order(desk, order_id)
        with pytest.raises(AlreadyRefunded):
            await _refund_order(desk, order_id, unit.id)
        for unknown in ("", "a unit", unit.id[::-1], order_id):
            with pytest.raises(UnitNotFound):
                await _refund_order(desk, order_id, unknown)
        with pytest.raises(OrderNotFound):
            await _refund_order(desk, unit.id)

    async def test_of_an_order_of_another_program_is_refused(self, db: Database, desk: OrderDesk):
        alice = await make_customer(db)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO orders (id, "userId", status, subtotal, total)'
                " VALUES ('old', $1, 'PROCESSING', 5, 5)",
                alice,
            )

        with pytest.raises(NotPlacedHere):
            await _refund_order(desk, "old")

        assert await balance_of(db, alice) == Decimal("100.00")

    async def test_unit_by_unit_gives_back_the_discounted_total_to_the_cent(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        promo = await make_promo(db, discount=Decimal("33.33"))
        game = await desk.add_game(keys=1, price=Decimal("3.33"))
        other = await desk.add_game(price=Decimal("0.01"))
        order_id = await desk.place(alice, {game: 3, other: 4}, promo=promo.code)
        used = []
        for unit in await desk.list_units(order_id):
            used.append(await _used(db, promo.id))
            await _refund_order(desk, order_id, unit.id)

        assert used == [1] * 7
        assert await _used(db, promo.id) == 0
        assert await balance_of(db, alice) == Decimal("100.00")
        assert await desk.violations() == []

    async def test_of_an_order_that_cost_nothing_has_no_row_in_the_ledger(
        self, db: Database, desk: OrderDesk
    ):
        alice = await make_customer(db)
        promo = await make_promo(db, discount=Decimal(100))
        order_id = await desk.place(alice, {await desk.add_game(): 2}, promo=promo.code)

        refunded = await _refund_order(desk, order_id)

        assert (refunded.amount, refunded.status) == (Decimal("0.00"), "CANCELLED")
        assert [row["type"] for row in await ledger_of(db, alice)] == ["TOP_UP", "PURCHASE"]
        assert await _used(db, promo.id) == 0
        assert await desk.violations() == []


async def _used(db: Database, promo_id: str) -> int:
    async with db.read() as reader:
        used: int = await reader.fetchval(
            'SELECT "usedCount" FROM promo_codes WHERE id = $1', promo_id
        )
    return used
