"""All SQL of the migration of a guest's lines to a user."""

from datetime import datetime
from typing import Final

from keyshop.baskets.rules import GuestLine, GuestWish
from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

_HAS_LIVE: Final = """
    SELECT EXISTS (SELECT FROM sessions WHERE "sessionId" = ANY($1) AND "expiresAt" >= $2)
"""

_LOCK_LIVE: Final = """
    SELECT "sessionId" FROM sessions WHERE "sessionId" = ANY($1) AND "expiresAt" >= $2 FOR UPDATE
"""

# Locked, so that no game is deleted before a line of the user's refers to it. All at once and in the
# order of their ids, which avoids a deadlock with other transactions that lock games.
_LOCK_GAMES: Final = """
    SELECT FROM games WHERE id IN (
        SELECT game_id FROM keyshop.guest_cart_items WHERE session_id = $1
        UNION ALL SELECT game_id FROM keyshop.guest_wishlist_items WHERE session_id = $1
    ) ORDER BY id FOR KEY SHARE
"""

_LIST_LINES: Final = """
    SELECT guest_line.game_id, g.title, g."inStock" AND g.price < 'Infinity' AS in_stock,
        guest_line.quantity, user_line.quantity AS had, guest_line.added_at
    FROM keyshop.guest_cart_items AS guest_line JOIN games AS g ON g.id = guest_line.game_id
    LEFT JOIN cart_items AS user_line
        ON user_line."userId" = $2 AND user_line."gameId" = guest_line.game_id AND user_line.quantity > 0
    WHERE guest_line.session_id = $1
"""

_COUNT_LINES: Final = 'SELECT count(*) FROM cart_items WHERE "userId" = $1 AND quantity > 0'

# One statement: a line is either here or there.
_MOVE_LINES: Final = """
    WITH moved AS (
        DELETE FROM keyshop.guest_cart_items WHERE session_id = $1 AND game_id = ANY($3)
        RETURNING game_id, quantity, added_at
    )
    INSERT INTO cart_items AS user_line ("userId", "gameId", quantity, "addedAt")
    SELECT $2, game_id, least(quantity, $4::integer), added_at FROM moved
    ON CONFLICT ("userId", "gameId") DO UPDATE SET
        quantity = greatest(
            -- Another application may have stored any number.
            user_line.quantity,
            least($4::bigint, greatest(user_line.quantity, 0)::bigint + excluded.quantity)
        ),
        "addedAt" = greatest(user_line."addedAt", excluded."addedAt")
"""

_LIST_WISHES: Final = """
    SELECT guest_wish.game_id, g.title, user_wish."gameId" IS NOT NULL AS had, guest_wish.added_at
    FROM keyshop.guest_wishlist_items AS guest_wish JOIN games AS g ON g.id = guest_wish.game_id
    LEFT JOIN wishlist AS user_wish ON user_wish."userId" = $2 AND user_wish."gameId" = guest_wish.game_id
    WHERE guest_wish.session_id = $1
"""

_COUNT_WISHES: Final = 'SELECT count(*) FROM wishlist WHERE "userId" = $1'

_MOVE_WISHES: Final = """
    WITH moved AS (
        DELETE FROM keyshop.guest_wishlist_items WHERE session_id = $1 AND game_id = ANY($3)
        RETURNING game_id, added_at
    )
    INSERT INTO wishlist ("userId", "gameId", "addedAt")
    SELECT $2, game_id, added_at FROM moved
    ON CONFLICT DO NOTHING
"""

_HAS_LINES: Final = """
    SELECT EXISTS (SELECT FROM keyshop.guest_cart_items WHERE session_id = $1)
        OR EXISTS (SELECT FROM keyshop.guest_wishlist_items WHERE session_id = $1)
"""

# Foreign keys update the lines (ON UPDATE CASCADE).
_RENAME_SESSION: Final = """
    UPDATE sessions SET "sessionId" = $2, "expiresAt" = $3 WHERE "sessionId" = $1
"""

_DELETE_SESSION: Final = 'DELETE FROM sessions WHERE "sessionId" = $1'


async def has_live(tx: Transaction, *, session_ids: list[str], now: datetime) -> bool:
    """Test whether one of these sessions is live, without waiting for a lock."""
    return bool(await tx.fetchval(_HAS_LIVE, session_ids, now))


async def lock_live(tx: Transaction, *, session_ids: list[str], now: datetime) -> str | None:
    """Return the one of these sessions that is live, locked until the transaction ends."""
    found: str | None = await tx.fetchval(_LOCK_LIVE, session_ids, now)
    return found


async def lock_games_for_reference(tx: Transaction, *, session_id: str) -> None:
    """Keep the guest's games from being deleted until the transaction ends."""
    await tx.fetch(_LOCK_GAMES, session_id)


async def list_lines(tx: Transaction, *, session_id: str, user_id: str) -> list[GuestLine]:
    """Return the guest's lines, each with the user's quantity of the same game."""
    return rows(GuestLine, await tx.fetch(_LIST_LINES, session_id, user_id))


async def count_lines(tx: Transaction, *, user_id: str) -> int:
    return int(await tx.fetchval(_COUNT_LINES, user_id))


async def move_lines(
    tx: Transaction, *, session_id: str, user_id: str, game_ids: list[str], max_quantity: int
) -> None:
    """Add these lines to the user's, each up to `max_quantity`, and remove them from the guest."""
    await tx.execute(_MOVE_LINES, session_id, user_id, game_ids, max_quantity)


async def list_wishes(tx: Transaction, *, session_id: str, user_id: str) -> list[GuestWish]:
    """Return the guest's wishes, each with whether the user has it too."""
    return rows(GuestWish, await tx.fetch(_LIST_WISHES, session_id, user_id))


async def count_wishes(tx: Transaction, *, user_id: str) -> int:
    return int(await tx.fetchval(_COUNT_WISHES, user_id))


async def move_wishes(
    tx: Transaction, *, session_id: str, user_id: str, game_ids: list[str]
) -> None:
    """Add these wishes to the user's, unless they are there, and remove them from the guest."""
    await tx.execute(_MOVE_WISHES, session_id, user_id, game_ids)


async def has_lines(tx: Transaction, *, session_id: str) -> bool:
    return bool(await tx.fetchval(_HAS_LINES, session_id))


async def rename_session(
    tx: Transaction, *, session_id: str, new_id: str, expires: datetime
) -> None:
    """Extend the session with its lines, perhaps under another id."""
    await tx.execute(_RENAME_SESSION, session_id, new_id, expires)


async def delete_session(tx: Transaction, *, session_id: str) -> None:
    await tx.execute(_DELETE_SESSION, session_id)
