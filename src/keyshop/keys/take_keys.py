"""Take free keys for an order, and say what becomes of them."""

from collections.abc import Collection, Mapping
from datetime import datetime

from keyshop.keys import queries
from keyshop.kit.database.transaction import Transaction


async def take_free_keys(tx: Transaction, game_id: str, count: int) -> list[str]:
    """
    Lock up to `count` free keys of the game until the transaction ends, and return their ids.

    Keys that another order has locked are skipped. The oldest are taken first. They stay free:
    `mark_delivered` gives them to units, and afterwards `count_stock.update_in_stock` is due.
    """
    return await queries.lock_free_keys(tx, game_id, count=count)


async def mark_delivered(
    tx: Transaction, *, vault_key_id: str, order_id: str, unit_id: str, now: datetime
) -> bool:
    """Give a free key to a unit of the order; False: it was not free, and nothing is changed."""
    return await mark_all_delivered(tx, {vault_key_id: unit_id}, order_id=order_id, now=now) == 1


async def mark_all_delivered(
    tx: Transaction, units: Mapping[str, str], *, order_id: str, now: datetime
) -> int:
    """Give free keys to units of the order, unit by key, and return how many keys were free."""
    return await queries.set_delivered(tx, units, order_id=order_id, now=now)


async def mark_revoked(tx: Transaction, unit_ids: Collection[str], now: datetime) -> None:
    """Revoke the delivered keys of the units, which were refunded; they are never sold again."""
    await queries.set_revoked(tx, unit_ids, now=now)
