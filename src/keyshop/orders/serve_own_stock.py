"""Deliver units of a new order from the shop's own keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from keyshop.keys.take_keys import mark_all_delivered
from keyshop.kit.database.transaction import Transaction
from keyshop.orders import unit_queries
from keyshop.orders.errors import UnitChanged
from keyshop.orders.models import Unit, UnitState
from keyshop.orders.queries import Event
from keyshop.orders.record_event import record_events


async def serve_own_stock(
    tx: Transaction,
    units: Sequence[Unit],
    keys: Mapping[str, Sequence[str]],
    *,
    actor: str,
    now: datetime,
) -> list[Unit]:
    """
    Return the units, of which as many of each game as it has `keys` are delivered now.

    `keys` are vault keys by game, locked by `take_free_keys` in this transaction.

    Raises:
        UnitChanged: a unit is open no longer, or a key free no longer.
    """
    left = {game_id: list(taken) for game_id, taken in keys.items()}
    served = {unit.id: left[unit.game_id].pop(0) for unit in units if left.get(unit.game_id)}
    if not served:
        return list(units)
    delivered = [unit for unit in units if unit.id in served]
    if not await unit_queries.deliver_units(tx, delivered, list(served.values()), now=now):
        raise UnitChanged
    by_key = {served[unit.id]: unit.id for unit in delivered}
    if await mark_all_delivered(tx, by_key, order_id=delivered[0].order_id, now=now) < len(by_key):
        raise UnitChanged
    await record_events(
        tx,
        delivered[0].order_id,
        [
            Event(
                kind="unit.delivered",
                actor=actor,
                unit_id=unit.id,
                details={"vault_key_id": served[unit.id], "source": "own"},
            )
            for unit in delivered
        ],
        now=now,
    )
    return [
        replace(
            unit,
            state=UnitState.DELIVERED,
            vault_key_id=served[unit.id],
            next_at=None,
            version=unit.version + 1,
        )
        if unit.id in served
        else unit
        for unit in units
    ]
