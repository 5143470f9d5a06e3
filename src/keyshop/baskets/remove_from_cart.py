"""Remove games from a cart; a game that is not in it is no error."""

from datetime import datetime

from keyshop.baskets import queries
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import MAX_ATTEMPTS, cookie_of, lock_owner
from keyshop.baskets.rules import may_be_game_id
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction


async def remove_from_cart(
    db: Database, visitor: Visitor, game_id: str, *, now: datetime
) -> str | None:
    """
    Remove the line of a game.

    Returns the id of the guest's session for the cookie; None for users, and without a session.

    Raises:
        AccountGone: the user was deleted.
    """

    async def remove(tx: Transaction) -> str | None:
        owner = await lock_owner(tx, visitor, now=now)
        if owner is not None and may_be_game_id(game_id):
            await queries.remove_line(tx, owner, game_id=game_id)
        return cookie_of(owner)

    return await db.run(remove, attempts=MAX_ATTEMPTS)


async def clear_cart(db: Database, visitor: Visitor, *, now: datetime) -> str | None:
    """
    Remove all lines.

    Returns the id of the guest's session for the cookie; None for users, and without a session.

    Raises:
        AccountGone: the user was deleted.
    """

    async def clear(tx: Transaction) -> str | None:
        owner = await lock_owner(tx, visitor, now=now)
        if owner is not None:
            await queries.clear_lines(tx, owner)
        return cookie_of(owner)

    return await db.run(clear, attempts=MAX_ATTEMPTS)
