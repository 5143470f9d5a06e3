"""Add games to a cart, and set their quantities."""

from datetime import datetime

from keyshop.baskets import queries
from keyshop.baskets.errors import NotInCart
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import MAX_ATTEMPTS, cookie_of, lock_or_begin, lock_owner
from keyshop.baskets.remove_from_cart import remove_from_cart
from keyshop.baskets.rules import check_addition, check_change, check_quantity, may_be_game_id
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.storefront.errors import GameNotFound


async def add_to_cart(
    db: Database,
    visitor: Visitor,
    game_id: str,
    quantity: int,
    *,
    limits: BasketLimits,
    now: datetime,
) -> str | None:
    """
    Add `quantity` keys of a game; parallel additions add up.

    Returns the id of the guest's session for the cookie; None for users. A guest without a session
    gets a new one; of several first writes at once, each makes its own.

    Raises:
        BadQuantity: the quantity is too large, or below 1.
        GameNotFound: there is no such game.
        GameOutOfStock: the game cannot be bought at the moment.
        BasketFull: the cart already holds the maximum of other games.
        TooMany: the guest's client has begun too many sessions.
        AccountGone: the user was deleted.
    """
    check_quantity(quantity, limits)
    if not may_be_game_id(game_id):
        raise GameNotFound

    async def add(tx: Transaction) -> str | None:
        owner = await lock_or_begin(tx, visitor, limits=limits, now=now)
        state = await queries.find_state(tx, owner, game_id=game_id)
        if state is None:
            raise GameNotFound
        check_addition(state, quantity, limits)
        await queries.add_line(tx, owner, game_id=game_id, quantity=quantity, now=now)
        return cookie_of(owner)

    return await db.run(add, attempts=MAX_ATTEMPTS)


async def set_quantity(
    db: Database,
    visitor: Visitor,
    game_id: str,
    quantity: int,
    *,
    limits: BasketLimits,
    now: datetime,
) -> str | None:
    """
    Set the quantity of a game; 0 or less removes the line, if there is one.

    Returns the id of the guest's session for the cookie; None for users. It makes no session.

    Raises:
        BadQuantity: the quantity is too large.
        NotInCart: the cart has no line of this game.
        GameOutOfStock: the game cannot be bought at the moment, and the quantity would grow.
        AccountGone: the user was deleted.
    """
    if quantity <= 0:
        return await remove_from_cart(db, visitor, game_id, now=now)
    check_quantity(quantity, limits)
    if not may_be_game_id(game_id):
        raise NotInCart

    async def set_line(tx: Transaction) -> str | None:
        owner = await lock_owner(tx, visitor, now=now)
        if owner is None:
            raise NotInCart
        state = await queries.find_state(tx, owner, game_id=game_id)
        if state is None:
            raise NotInCart
        check_change(state, quantity)
        await queries.set_line(tx, owner, game_id=game_id, quantity=quantity)
        return cookie_of(owner)

    return await db.run(set_line, attempts=MAX_ATTEMPTS)
