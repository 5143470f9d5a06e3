"""Carts and wishlists of customers and guests."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import msgspec

from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.change_wishlist import add_wish
from keyshop.baskets.models import Visitor
from keyshop.baskets.owners import new_session_id
from keyshop.baskets.settings import BasketLimits, BasketSettings
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_wishlist
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from tests.factories.games import NOON

NO_CACHE = PassThrough()
LIMITS = BasketLimits()
BASKETS = BasketSettings(session_secret=Secret("s" * 32))
NEW_VISITOR = Visitor()

# Every table in which a visit could leave a row.
_ROWS = """
    SELECT (SELECT count(*) FROM users) AS users,
        (SELECT count(*) FROM sessions) AS sessions,
        (SELECT count(*) FROM cart_items) AS cart_items,
        (SELECT count(*) FROM wishlist) AS wishlist,
        (SELECT count(*) FROM keyshop.guest_cart_items) AS guest_cart_items,
        (SELECT count(*) FROM keyshop.guest_wishlist_items) AS guest_wishlist_items,
        (SELECT max("expiresAt") FROM sessions)::text AS last_expiry
"""


async def make_user(db: Database, user_id: str | None = None) -> Visitor:
    """Store a customer."""
    user_id = user_id or new_id()
    async with db.transaction() as tx:
        await tx.execute(
            'INSERT INTO users (id, email, "passwordHash", "createdAt", "updatedAt")'
            " VALUES ($1, $2, '', $3, $3)",
            user_id,
            f"{user_id}@example.com",
            NOON,
        )
    return Visitor(user_id=user_id)


async def make_guest(db: Database, *, life: timedelta = timedelta(hours=24)) -> Visitor:
    """Store a guest's session without lines."""
    session_id = new_session_id()
    async with db.transaction() as tx:
        await tx.execute(
            'INSERT INTO sessions (id, "sessionId", data, "expiresAt") VALUES ($1, $2, $3, $4)',
            new_id(),
            session_id,
            "{}",
            NOON + life,
        )
    return Visitor(session_id=session_id)


async def make_visitor(db: Database, kind: str) -> Visitor:
    """Store a visitor of that kind."""
    return await (make_user(db) if kind == "user" else make_guest(db))


async def put(db: Database, visitor: Visitor, *games: str, quantity: int = 1) -> None:
    """Add `quantity` keys of each game to the cart, a second apart."""
    for second, game in enumerate(games):
        moment = NOON + timedelta(seconds=second)
        await add_to_cart(db, visitor, game, quantity, limits=LIMITS, now=moment)


async def wish(db: Database, visitor: Visitor, *games: str) -> None:
    """Add the games to the wishlist, a second apart."""
    for second, game in enumerate(games):
        moment = NOON + timedelta(seconds=second)
        await add_wish(db, visitor, game, limits=LIMITS, now=moment)


async def data_of(answer: Awaitable[bytes]) -> Any:
    """Return the data of an answer."""
    envelope = msgspec.json.decode(await answer)
    assert envelope["success"] is True
    return envelope["data"]


async def cart_of(db: Database, visitor: Visitor) -> dict[str, int]:
    """Return the quantities in the cart, in the order in which it is shown."""
    cart = await data_of(show_cart(db, NO_CACHE, visitor, now=NOON))
    return {line["gameId"]: line["quantity"] for line in cart["items"]}


async def wishes_of(db: Database, visitor: Visitor) -> list[str]:
    """Return the games of the wishlist, in the order in which it is shown."""
    wishlist = await data_of(show_wishlist(db, NO_CACHE, visitor, now=NOON))
    return [wish["gameId"] for wish in wishlist["items"]]


async def count_rows(db: Database) -> dict[str, Any]:
    """Count the rows that a visit could leave behind."""
    async with db.read() as reader:
        record = await reader.fetchrow(_ROWS)
    assert record is not None
    return dict(record)


async def change_game(db: Database, game: str, assignments: str) -> None:
    """Change columns of the game, as SQL."""
    async with db.transaction() as tx:
        assert await tx.execute(f"UPDATE games SET {assignments} WHERE id = $1", game) == 1


async def sell_out(db: Database, *games: str) -> None:
    """Take the games out of stock."""
    for game in games:
        await change_game(db, game, '"inStock" = false')
