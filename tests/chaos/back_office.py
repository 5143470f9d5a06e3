"""Operators, and a worker that gets keys from a supplier: both repeat what fails, as their jobs do."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from keyshop.keys.add_key import add_key
from keyshop.keys.models import KeySource
from keyshop.keys.settings import Vault
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import Conflict, Unavailable
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from keyshop.orders.deliver import deliver
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.errors import OrderBeingPlaced
from keyshop.orders.models import RequestedItem, UnitRef
from keyshop.orders.place import PlaceRequest, place_order
from keyshop.orders.refund_order import refund_order

_Result = TypeVar("_Result")

ANSWER_SECONDS = 90  # a killed part is running again by then
PAUSE_SECONDS = 0.1  # between two attempts

_UNIT = """
    SELECT id, order_id, user_id, game_id FROM keyshop.order_units
    WHERE state = ANY($1) ORDER BY random() LIMIT 1
"""


async def repeat(attempt: Callable[[], Awaitable[_Result]]) -> _Result:
    """Repeat the attempt until the database has decided about it."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            try:
                return await attempt()
            except (Unavailable, OrderBeingPlaced):
                await asyncio.sleep(PAUSE_SECONDS)


class BackOffice:
    """Works on orders without the API; may sell what a supplier has."""

    def __init__(self, db: Database, parts: OrderParts, random: Random) -> None:
        self.refunds = 0
        self.deliveries = 0
        self._db = db
        self._parts = parts
        self._random = random

    async def work(self, stop: asyncio.Event) -> None:
        """Refund and deliver until `stop` is set; sometimes both at once."""
        while not stop.is_set():
            await asyncio.gather(self._refund(), self.deliver())

    async def place(self, user_id: str, game_id: str, key: str, promo: str | None) -> str:
        """Place an order for a key that the supplier has, and return its id."""
        request = PlaceRequest(
            user_id=user_id,
            family_id="any",
            items=[RequestedItem(game_id=game_id, quantity=2)],
            promo_code=promo,
            idempotency_key=key,
        )
        placed = await repeat(lambda: place_order(self._db, self._parts, request, now=utc_now()))
        return placed.order_id

    async def deliver(self) -> bool:
        """Buy a key for an open unit; False: there is none."""
        unit = await repeat(lambda: self._find_unit("OPEN"))
        if unit is None:
            return False
        key_id = await repeat(lambda: self._db.run(lambda tx: self._buy(tx, unit), attempts=5))
        try:
            await repeat(
                lambda: self._db.run(
                    lambda tx: deliver(tx, unit, key_id, now=utc_now()), attempts=5
                )
            )
            self.deliveries += 1
        except Conflict:
            pass  # the key was free, and another order has got it
        return True

    async def _refund(self) -> None:
        unit = await repeat(lambda: self._find_unit("OPEN", "DELIVERED"))
        if unit is None:
            return
        unit_id = self._random.choice((unit.id, None))
        try:
            await repeat(
                lambda: refund_order(
                    self._db,
                    unit.order_id,
                    unit_id=unit_id,
                    by="olga",
                    reason="A trial.",
                    now=utc_now(),
                )
            )
        except Conflict:
            return  # it was refunded, by an attempt whose outcome was unknown or by the customer
        self.refunds += 1

    async def _buy(self, tx: Transaction, unit: UnitRef) -> str:
        added = await add_key(
            tx,
            self._vault,
            game_id=unit.game_id,
            text=Secret(new_id()),
            source=KeySource.SUPPLIER,
            now=utc_now(),
        )
        assert added.vault_key_id is not None
        return added.vault_key_id

    @property
    def _vault(self) -> Vault:
        return self._parts.vault

    async def _find_unit(self, *states: str) -> UnitRef | None:
        async with self._db.read() as reader:
            row = await reader.fetchrow(_UNIT, list(states))
        return None if row is None else UnitRef(**row)
