"""Put games into a cart, and say how many."""

from datetime import datetime

from keyshop.baskets import queries
from keyshop.baskets.errors import NotInCart
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import ATTEMPTS, cookie_of, lock_or_begin, lock_owner
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
    Add so many keys of a game; parallel additions add up.

    Returns the id of the guest's session for the cookie, which was made where there was none; each
    of several first writes at once makes its own. None for users.

    Raises:
        BadQuantity: these are too many, or not any.
        GameNotFound: there is no such game.
        GameOutOfStock: it cannot be bought at the moment.
        BasketFull: the cart holds as many other games as it can.
        AccountGone: the user was deleted.
    """
    check_quantity(quantity, limits)
    if not may_be_game_id(game_id):
        raise GameNotFound

    async def add(tx: Transaction) -> str | None:
        owner = await lock_or_begin(tx, visitor, now=now)
        state = await queries.find_state(tx, owner, game_id=game_id)
        if state is None:
            raise GameNotFound
        check_addition(state, quantity, limits)
        await queries.add_line(tx, owner, game_id=game_id, quantity=quantity, now=now)
        return cookie_of(owner)

    return await db.run(add, attempts=ATTEMPTS)


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
    Say how many keys of a game are wanted; 0 or less removes the line, whether or not it is there.

    Returns what `add_to_cart` does, but makes no session.

    Raises:
        BadQuantity: these are too many.
        NotInCart: there is no line of that game.
        GameOutOfStock: it cannot be bought at the moment, and more of it are wanted than before.
        AccountGone: the user was deleted.
    """
    if quantity <= 0:
        return await remove_from_cart(db, visitor, game_id, now=now)
    check_quantity(quantity, limits)
    if not may_be_game_id(game_id):
        raise NotInCart

    async def set_to(tx: Transaction) -> str | None:
        owner = await lock_owner(tx, visitor, now=now)
        if owner is None:
            raise NotInCart
        state = await queries.find_state(tx, owner, game_id=game_id)
        if state is None:
            raise NotInCart
        check_change(state, quantity)
        await queries.set_line(tx, owner, game_id=game_id, quantity=quantity)
        return cookie_of(owner)

    return await db.run(set_to, attempts=ATTEMPTS)
