"""
All SQL of carts and wishlists, except their migration.

Users' lines are in Prisma's tables, guests' in tables of keyshop: the same statements with other names.
"""
# ruff: noqa: S608 - statements are composed of constants of this file only

from datetime import datetime
from decimal import Decimal
from typing import Final

from asyncpg import Record
from msgspec import UNSET, Struct
from msgspec.structs import asdict

from keyshop.baskets.models import BasketGame, Cart, CartLine, Owner, Wish
from keyshop.baskets.rules import CartState
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.envelope import format_utc

_NOTHING: Final = Decimal("0.00")

# The lock on the owner's row covers the owner's lines. NO KEY: sign-ins and orders of the same user,
# whose rows refer to this one, do not wait. An erased account keeps its row with this placeholder as
# address, and must not get new data of the customer.
_LOCK_USER: Final = """
    SELECT id FROM users WHERE id = $1 AND email NOT LIKE 'erased-%@erased.invalid'
    FOR NO KEY UPDATE
"""

_RENEW_SESSION: Final = """
    UPDATE sessions SET "expiresAt" = $3 WHERE "sessionId" = $1 AND "expiresAt" >= $2
"""

_BEGIN_SESSION: Final = """
    INSERT INTO sessions (id, "sessionId", data, "expiresAt", "createdAt")
    VALUES ($1, $2, '{}', $3, $4)
"""

_FIND_SESSION: Final = """
    SELECT "expiresAt" FROM sessions WHERE "sessionId" = $1 AND "expiresAt" >= $2
"""

_LIST_LIVE_SESSIONS: Final = """
    SELECT "sessionId" AS session_id FROM sessions
    WHERE "sessionId" = ANY($1) AND "expiresAt" >= $2
"""

_DELETE_EXPIRED_SESSIONS: Final = """
    DELETE FROM sessions WHERE id = ANY(ARRAY(
        SELECT id FROM sessions WHERE "expiresAt" < $1
        ORDER BY "expiresAt" LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""

# A numeric column holds NaN, and NaN is above every number. Such a game cannot be bought, and its line
# counts nothing.
_GAME_COLUMNS: Final = """
    g.id, g.title, g.slug, g.image,
    CASE WHEN g.price < 'Infinity' THEN g.price ELSE 0 END AS price,
    g."inStock" AND g.price < 'Infinity' AS "inStock",
    CASE WHEN g."originalPrice" < 'Infinity' THEN g."originalPrice" END AS "originalPrice", g.currency,
    ARRAY(SELECT name FROM game_platforms JOIN platforms ON id = "platformId"
          WHERE "gameId" = g.id ORDER BY name) AS platforms
"""


class Names(Struct, frozen=True):
    """Names of the tables and columns of one kind of owner."""

    cart: str
    wishlist: str
    owner: str
    game: str
    added: str


class Statements(Struct, frozen=True, kw_only=True):
    """The statements for the lines of one kind of owner."""

    read_cart: str
    cart_state: str
    add_line: str
    set_line: str
    remove_line: str
    clear_lines: str
    list_wishes: str
    count_wishes: str
    add_wish: str
    remove_wish: str


def _statements(names: Names) -> Statements:
    cart, wishlist, owner, game, added = (
        names.cart,
        names.wishlist,
        names.owner,
        names.game,
        names.added,
    )
    return Statements(
        # Other programs may leave lines with quantity 0: they are neither shown nor counted.
        read_cart=f"""
            SELECT i.quantity, {_GAME_COLUMNS}
            FROM {cart} AS i JOIN games AS g ON g.id = i.{game}
            WHERE i.{owner} = $1 AND i.quantity > 0 ORDER BY i.{added} DESC, i.{game}
        """,
        # The game is locked, so that it is not deleted before a line refers to it.
        cart_state=f"""
            SELECT g."inStock" AND g.price < 'Infinity' AS in_stock,
                (SELECT quantity FROM {cart}
                    WHERE {owner} = $1 AND {game} = $2 AND quantity > 0) AS quantity,
                (SELECT count(*) FROM {cart} WHERE {owner} = $1 AND quantity > 0) AS lines
            FROM games AS g WHERE g.id = $2 FOR KEY SHARE OF g
        """,
        add_line=f"""
            INSERT INTO {cart} AS line ({owner}, {game}, quantity, {added})
            VALUES ($1, $2, $3, $4)
            ON CONFLICT ({owner}, {game})
            DO UPDATE SET quantity = greatest(line.quantity, 0) + excluded.quantity
        """,
        set_line=f"UPDATE {cart} SET quantity = $3 WHERE {owner} = $1 AND {game} = $2",
        remove_line=f"DELETE FROM {cart} WHERE {owner} = $1 AND {game} = $2",
        clear_lines=f"DELETE FROM {cart} WHERE {owner} = $1",
        list_wishes=f"""
            SELECT i.{added} AS added_at, {_GAME_COLUMNS}
            FROM {wishlist} AS i JOIN games AS g ON g.id = i.{game}
            WHERE i.{owner} = $1 ORDER BY i.{added} DESC, i.{game}
        """,
        count_wishes=f"""
            SELECT (SELECT count(*) FROM {wishlist} WHERE {owner} = $1 AND {game} <> $2)
            FROM games AS g WHERE g.id = $2 AND g.price < 'Infinity' FOR KEY SHARE OF g
        """,
        add_wish=f"""
            INSERT INTO {wishlist} ({owner}, {game}, {added}) VALUES ($1, $2, $3)
            ON CONFLICT DO NOTHING
        """,
        remove_wish=f"DELETE FROM {wishlist} WHERE {owner} = $1 AND {game} = $2",
    )


OF_USERS: Final = _statements(Names("cart_items", "wishlist", '"userId"', '"gameId"', '"addedAt"'))

OF_GUESTS: Final = _statements(
    Names(
        "keyshop.guest_cart_items",
        "keyshop.guest_wishlist_items",
        "session_id",
        "game_id",
        "added_at",
    )
)


async def lock_user(tx: Transaction, *, user_id: str) -> bool:
    """Test whether the user exists and is not erased, and lock it until the transaction ends."""
    return await tx.fetchrow(_LOCK_USER, user_id) is not None


async def renew_session(
    tx: Transaction, *, session_id: str, now: datetime, expires: datetime
) -> bool:
    """Test whether the session is live, extend it, and lock it until the transaction ends."""
    return await tx.execute(_RENEW_SESSION, session_id, now, expires) > 0


async def begin_session(
    tx: Transaction, *, row_id: str, session_id: str, now: datetime, expires: datetime
) -> None:
    await tx.execute(_BEGIN_SESSION, row_id, session_id, expires, now)


async def find_expiry(reader: Reader, *, session_id: str, now: datetime) -> datetime | None:
    """Return when the session expires; None: there is no live session."""
    expires: datetime | None = await reader.fetchval(_FIND_SESSION, session_id, now)
    return expires


async def list_live_sessions(reader: Reader, *, session_ids: list[str], now: datetime) -> set[str]:
    """Return which of the ids are of live sessions."""
    records = await reader.fetch(_LIST_LIVE_SESSIONS, session_ids, now)
    return {record["session_id"] for record in records}


async def delete_expired_sessions(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete sessions that have expired, with their lines; return how many there were."""
    return await tx.execute(_DELETE_EXPIRED_SESSIONS, before, limit)


async def read_cart(reader: Reader, owner: Owner) -> Cart:
    records = await reader.fetch(_of(owner).read_cart, owner.id)
    lines = [CartLine(record["id"], record["quantity"], _game(record)) for record in records]
    return Cart(lines, sum((line.quantity * line.game.price for line in lines), start=_NOTHING))


async def find_state(tx: Transaction, owner: Owner, *, game_id: str) -> CartState | None:
    """Return what a change of the game's line depends on; None: there is no such game."""
    record = await tx.fetchrow(_of(owner).cart_state, owner.id, game_id)
    return None if record is None else CartState(**record)


async def add_line(
    tx: Transaction, owner: Owner, *, game_id: str, quantity: int, now: datetime
) -> None:
    """Add keys to the line, or add the line."""
    await tx.execute(_of(owner).add_line, owner.id, game_id, quantity, now)


async def set_line(tx: Transaction, owner: Owner, *, game_id: str, quantity: int) -> None:
    await tx.execute(_of(owner).set_line, owner.id, game_id, quantity)


async def remove_line(tx: Transaction, owner: Owner, *, game_id: str) -> None:
    await tx.execute(_of(owner).remove_line, owner.id, game_id)


async def clear_lines(tx: Transaction, owner: Owner) -> None:
    await tx.execute(_of(owner).clear_lines, owner.id)


async def list_wishes(reader: Reader, owner: Owner) -> list[Wish]:
    return [_wish(record) for record in await reader.fetch(_of(owner).list_wishes, owner.id)]


async def count_other_wishes(tx: Transaction, owner: Owner, *, game_id: str) -> int | None:
    """Return how many other games are on the wishlist; None: there is no such game."""
    count: int | None = await tx.fetchval(_of(owner).count_wishes, owner.id, game_id)
    return count


async def add_wish(tx: Transaction, owner: Owner, *, game_id: str, now: datetime) -> None:
    await tx.execute(_of(owner).add_wish, owner.id, game_id, now)


async def remove_wish(tx: Transaction, owner: Owner, *, game_id: str) -> None:
    await tx.execute(_of(owner).remove_wish, owner.id, game_id)


def _of(owner: Owner) -> Statements:
    return OF_GUESTS if owner.is_guest else OF_USERS


def _game(record: Record) -> BasketGame:
    return BasketGame(
        id=record["id"],
        title=record["title"],
        slug=record["slug"],
        image=record["image"],
        price=record["price"],
        in_stock=record["inStock"],
        original_price=record["originalPrice"] or UNSET,
        currency=record["currency"],
        platforms=record["platforms"],
    )


def _wish(record: Record) -> Wish:
    game = _game(record)
    return Wish(**asdict(game), game_id=game.id, game=game, added_at=format_utc(record["added_at"]))
