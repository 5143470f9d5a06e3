"""One write in a transaction of the shop, with a note before and one after."""

from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import TypeAlias

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from tests.consistency.writers.config import Writing

Versions: TypeAlias = dict[int, int]
"""The new version of each game, by the game's number."""


class _IntendedRollback(Exception):
    """Rolls a transaction back on purpose."""


async def write_in_transaction(
    writing: Writing,
    db: Database,
    *,
    choose: Callable[[Transaction], Awaitable[Versions]],
    change: Callable[[Transaction, Versions], Awaitable[object]],
) -> None:
    """
    Lock the games and `choose` their versions, then `change` them.

    The write counts as acknowledged when the transaction's block has ended. Some are rolled back.
    """
    is_undone = writing.is_undone()
    versions: Versions = {}
    invoked = monotonic_ns()
    try:
        async with db.transaction() as tx:
            versions |= await choose(tx)
            if is_undone:
                versions = writing.far_above(versions)
            else:
                writing.note_tried(versions, invoked)
            await change(tx, versions)
            _undo(is_undone)
    except _IntendedRollback:
        writing.note_rolled_back(versions, invoked)
    except Exception:
        if not is_undone:
            writing.note_unknown(versions, invoked)
        raise
    else:
        writing.note_acknowledged(versions, invoked)


def _undo(is_undone: bool) -> None:
    if is_undone:
        raise _IntendedRollback
