"""Orders of games that the shop has to buy, so that their units are open, and what becomes of them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from keyshop.keys.settings import Vault
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.kit.ids import new_id
from keyshop.orders.deliver import deliver
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.models import BuyingPolicy, Delivery, RequestedItem, UnitRef
from keyshop.orders.place import PlaceRequest, place_order
from tests.factories.games import NOON, make_game
from tests.factories.vault import make_vault, stock_keys

_LIST_UNITS = """
    SELECT id, order_id, user_id, game_id FROM keyshop.order_units WHERE order_id = $1 ORDER BY id
"""
_STATES = "SELECT state FROM keyshop.order_units WHERE order_id = $1 ORDER BY id"
# The orders of tests were placed long ago, so their open units are overdue.
_VIOLATIONS = """
    SELECT name, subject, subject_id, detail FROM keyshop.violations WHERE name <> 'overdue_unit'
"""


class OrderDesk(Struct, frozen=True, kw_only=True):
    """Places orders and delivers keys in the database of a test."""

    db: Database
    parts: OrderParts

    async def add_game(self, keys: int = 0, **columns: Any) -> str:
        """Store a game that the supplier has, with so many own keys; return its id."""
        game = {
            "slug": f"game-{new_id()}",
            "price": Decimal("10.00"),
            "g2aStock": True,
            "g2aProductId": new_id(),
        }
        game_id = await make_game(self.db, **(game | columns))
        await self.add_keys(game_id, keys)
        return game_id

    async def add_keys(self, game_id: str, count: int = 1) -> list[str]:
        """Add free own keys to the game, and return their ids."""
        return await stock_keys(
            self.db, self.parts.vault, game_id, [new_id() for _ in range(count)]
        )

    async def place(
        self,
        user_id: str,
        items: Mapping[str, int],
        *,
        promo: str | None = None,
        now: datetime = NOON,
    ) -> str:
        """Place an order of these quantities of games, and return its id."""
        placed = await place_order(
            self.db,
            self.parts,
            PlaceRequest(
                user_id=user_id,
                family_id="device",
                items=[
                    RequestedItem(game_id=game_id, quantity=count)
                    for game_id, count in items.items()
                ],
                promo_code=promo,
                idempotency_key=new_id(),
            ),
            now=now,
        )
        return placed.order_id

    async def list_units(self, order_id: str) -> list[UnitRef]:
        async with self.db.read() as reader:
            return [UnitRef(**record) for record in await reader.fetch(_LIST_UNITS, order_id)]

    async def states(self, order_id: str) -> list[str]:
        """Return the states of the order's units, by their ids."""
        async with self.db.read() as reader:
            return [record["state"] for record in await reader.fetch(_STATES, order_id)]

    async def status(self, order_id: str) -> tuple[str, str]:
        """Return the status of the order and of its payment."""
        async with self.db.read() as reader:
            record = await reader.fetchrow(
                'SELECT status::text, "paymentStatus"::text FROM orders WHERE id = $1', order_id
            )
        assert record is not None
        return tuple(record)

    async def deliver(self, unit: UnitRef, vault_key_id: str, now: datetime = NOON) -> Delivery:
        return await self.db.run(lambda tx: deliver(tx, unit, vault_key_id, now=now), attempts=5)

    async def violations(self) -> list[tuple[str, ...]]:
        """Return what contradicts the books of the shop."""
        async with self.db.read() as reader:
            return [tuple(record) for record in await reader.fetch(_VIOLATIONS)]


async def open_desk(db: Database, folder: Path) -> OrderDesk:
    """Return a desk of a shop that would buy keys from its supplier."""
    vault: Vault = await make_vault(db)
    parts = OrderParts(
        vault=vault,
        mark=HighWaterMark.open(folder, machine="test", identity="test"),
        policy=BuyingPolicy(buying_open=True),
    )
    return OrderDesk(db=db, parts=parts)
