"""Keep `inStock` of games true, in the transaction that changes what is free."""

from collections.abc import Collection
from datetime import datetime

from keyshop.keys import queries
from keyshop.kit.database.transaction import Transaction


async def lock_games(tx: Transaction, game_ids: Collection[str]) -> None:
    """
    Lock the games in the order of their ids; it comes after the locks on keys.

    Two orders that take the last two keys each see one free key until one has committed: both must
    count under this lock.
    """
    await queries.lock_games(tx, game_ids)


async def update_in_stock(tx: Transaction, game_ids: Collection[str], now: datetime) -> None:
    """
    Set `inStock` of the games: the supplier has it, or the vault a free key.

    `lock_games` was called in an earlier statement of the transaction.
    """
    await queries.update_in_stock(tx, game_ids, now=now)
