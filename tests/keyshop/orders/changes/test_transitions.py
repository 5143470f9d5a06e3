"""All operations of all callers, in any order: no order leaves the table, and no cent is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from msgspec import Struct

from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from keyshop.orders.cancel import cancel_order, cancel_own_order
from keyshop.orders.hint import hint
from keyshop.orders.models import OrderStatus, UnitRef, UnitState
from keyshop.orders.refund import refund
from keyshop.orders.refund_order import refund_order
from keyshop.orders.rules import TRANSITIONS, UNIT_TRANSITIONS
from tests.factories.changed_orders import OrderDesk
from tests.factories.customers import select_rows
from tests.factories.games import NOON
from tests.factories.promos import make_promo
from tests.factories.wallet import balance_of, make_customer, sum_of_ledger

_STATUSES = "SELECT id, status::text AS state FROM orders"
_UNITS = "SELECT id, state FROM keyshop.order_units"
_PICK = "SELECT id, order_id, user_id, game_id FROM keyshop.order_units ORDER BY created_at, id"
_STEPS = """
    SELECT order_id, kind FROM keyshop.order_events WHERE kind LIKE 'order.%' AND kind <> 'order.placed'
    ORDER BY id
"""
_PRICES = ["10.00", "0.00", "0.03", "3.33"]
_MINUTE = timedelta(minutes=1)


class _Walk(Struct):
    """A shop in which anything may happen next."""

    desk: OrderDesk
    random: Random
    customers: list[str]
    games: list[str]
    codes: list[str]
    now = NOON

    async def step(self) -> None:
        """Do something; a refusal is fine."""
        act: Callable[[], Awaitable[object]] = self.random.choice(
            [
                self.place,
                self.place,
                self.deliver,
                self.refund,
                self.give_back,
                self.cancel,
                self.hint,
            ]
        )
        try:
            await act()
        except ShopError:
            return

    async def place(self) -> None:
        games = self.random.sample(self.games, k=self.random.randint(1, 3))
        await self.desk.place(
            self.random.choice(self.customers),
            {game: self.random.randint(1, 3) for game in games},
            promo=self.random.choice([None, *self.codes]),
            now=NOON + _MINUTE * self.random.randint(0, 10_000),
        )

    async def deliver(self) -> None:
        unit = await self._pick()
        [key] = await self.desk.add_keys(unit.game_id)
        await self.desk.deliver(unit, key)

    async def refund(self) -> None:
        picked = await self._pick()
        units = await self.desk.list_units(picked.order_id)
        for unit in self.random.choice([units, [picked]]):
            await _refund_by_shop(self.desk.db, unit)

    async def give_back(self) -> None:
        unit = await self._pick()
        await refund_order(
            self.desk.db,
            unit.order_id,
            unit_id=self.random.choice([None, unit.id]),
            by="olga",
            reason="does not work",
            now=NOON,
        )

    async def cancel(self) -> None:
        unit = await self._pick()
        if self.random.random() < 0.5:
            await cancel_order(self.desk.db, unit.order_id, by="olga", reason="fraud", now=NOON)
        else:
            user_id = self.random.choice([unit.user_id, *self.customers])
            await cancel_own_order(self.desk.db, unit.order_id, user_id=user_id, now=NOON)

    async def hint(self) -> None:
        unit = await self._pick()
        async with self.desk.db.transaction() as tx:
            await hint(tx, [unit.id], now=NOON)

    async def _pick(self) -> UnitRef:
        units = await select_rows(self.desk.db, _PICK)
        if not units:
            await self.place()
            return await self._pick()
        return UnitRef(**self.random.choice(units))


async def _refund_by_shop(db: Database, unit: UnitRef) -> None:
    await db.run(lambda tx: refund(tx, unit, "none left", now=NOON), attempts=5)


async def _begin(desk: OrderDesk, seed: int) -> _Walk:
    random = Random(seed)
    return _Walk(
        desk=desk,
        random=random,
        customers=[await make_customer(desk.db, "150.00") for _ in range(3)],
        games=[
            await desk.add_game(keys=random.randint(0, 3), price=Decimal(price))
            for price in _PRICES
        ],
        codes=[
            (await make_promo(desk.db, discount=Decimal(percent), maxUses=3)).code
            for percent in ("12.34", "100")
        ],
    )


async def _check(walk: _Walk) -> None:
    """The books are right, and every recorded step is one of the table."""
    assert await walk.desk.violations() == []
    for customer in walk.customers:
        balance = await balance_of(walk.desk.db, customer)
        assert balance == await sum_of_ledger(walk.desk.db, customer)
        assert balance >= 0
    at: dict[str, OrderStatus] = {}
    for step in await select_rows(walk.desk.db, _STEPS):
        before = at.get(step["order_id"], OrderStatus.PENDING)
        after = OrderStatus(step["kind"].removeprefix("order.").upper())
        assert after in TRANSITIONS[before]
        at[step["order_id"]] = after
    assert at == {row["id"]: row["state"] for row in await select_rows(walk.desk.db, _STATUSES)}


async def _states(db: Database, sql: str) -> dict[str, str]:
    return {row["id"]: row["state"] for row in await select_rows(db, sql)}


class TestTransitions:
    @pytest.mark.parametrize("seed", [1, 2])
    async def test_of_a_random_walk_never_leave_the_table(self, desk: OrderDesk, seed: int):
        walk = await _begin(desk, seed)
        orders: dict[str, str] = {}
        units: dict[str, str] = {}

        for _ in range(80):
            await walk.step()
            for order_id, status in (await _states(desk.db, _STATUSES)).items():
                before = OrderStatus(orders.get(order_id, "PROCESSING"))
                assert status == before or OrderStatus(status) in TRANSITIONS[before]
                orders[order_id] = status
            for unit_id, state in (await _states(desk.db, _UNITS)).items():
                unit_before = UnitState(units.get(unit_id, "OPEN"))
                assert state == unit_before or UnitState(state) in UNIT_TRANSITIONS[unit_before]
                units[unit_id] = state

        await _check(walk)
        assert len(set(orders.values())) > 1

    @pytest.mark.parametrize("seed", [3])
    async def test_of_walks_side_by_side_never_leave_the_table(self, desk: OrderDesk, seed: int):
        walk = await _begin(desk, seed)

        async def walk_on() -> None:
            for _ in range(12):
                await walk.step()

        await asyncio.gather(*(walk_on() for _ in range(10)))

        await _check(walk)
