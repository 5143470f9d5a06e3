"""Add games to a wishlist, and remove them."""

from datetime import datetime

from keyshop.baskets import queries
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import MAX_ATTEMPTS, cookie_of, lock_or_begin, lock_owner
from keyshop.baskets.rules import check_wish, may_be_game_id
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.storefront.errors import GameNotFound


async def add_wish(
    db: Database, visitor: Visitor, game_id: str, *, limits: BasketLimits, now: datetime
) -> str | None:
    """
    Add a game to the wishlist, in stock or not; a game that is on it keeps its place.

    Returns the id of the guest's session for the cookie; None for users. A guest without a session
    gets a new one.

    Raises:
        GameNotFound: there is no such game.
        BasketFull: the wishlist already holds the maximum of games.
        TooMany: the guest's client has begun too many sessions.
        AccountGone: the user was deleted.
    """
    if not may_be_game_id(game_id):
        raise GameNotFound

    async def add(tx: Transaction) -> str | None:
        owner = await lock_or_begin(tx, visitor, limits=limits, now=now)
        wishes = await queries.count_other_wishes(tx, owner, game_id=game_id)
        if wishes is None:
            raise GameNotFound
        check_wish(wishes, limits)
        await queries.add_wish(tx, owner, game_id=game_id, now=now)
        return cookie_of(owner)

    return await db.run(add, attempts=MAX_ATTEMPTS)


async def remove_wish(db: Database, visitor: Visitor, game_id: str, *, now: datetime) -> str | None:
    """
    Remove a game from the wishlist, if it is there.

    Returns the id of the guest's session for the cookie; None for users, and without a session.

    Raises:
        AccountGone: the user was deleted.
    """

    async def remove(tx: Transaction) -> str | None:
        owner = await lock_owner(tx, visitor, now=now)
        if owner is not None and may_be_game_id(game_id):
            await queries.remove_wish(tx, owner, game_id=game_id)
        return cookie_of(owner)

    return await db.run(remove, attempts=MAX_ATTEMPTS)
