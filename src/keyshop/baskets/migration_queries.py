"""All SQL by which a guest's lines become a user's."""

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

# Held, so that none is deleted before a line of the user's refers to it; all at once and in the
# order of their ids, so as to wait for nobody who holds some of them and waits for others.
_HOLD_GAMES: Final = """
    SELECT FROM games WHERE id IN (
        SELECT game_id FROM keyshop.guest_cart_items WHERE session_id = $1
        UNION ALL SELECT game_id FROM keyshop.guest_wishlist_items WHERE session_id = $1
    ) ORDER BY id FOR KEY SHARE
"""

_LIST_LINES: Final = """
    SELECT theirs.game_id, g.title, g."inStock" AS in_stock, theirs.quantity,
        mine.quantity AS had, theirs.added_at
    FROM keyshop.guest_cart_items AS theirs JOIN games AS g ON g.id = theirs.game_id
    LEFT JOIN cart_items AS mine
        ON mine."userId" = $2 AND mine."gameId" = theirs.game_id AND mine.quantity > 0
    WHERE theirs.session_id = $1
"""

_COUNT_LINES: Final = 'SELECT count(*) FROM cart_items WHERE "userId" = $1 AND quantity > 0'

# One statement: a line is either here or there.
_MOVE_LINES: Final = """
    WITH moved AS (
        DELETE FROM keyshop.guest_cart_items WHERE session_id = $1 AND game_id = ANY($3)
        RETURNING game_id, quantity, added_at
    )
    INSERT INTO cart_items AS mine ("userId", "gameId", quantity, "addedAt")
    SELECT $2, game_id, least(quantity, $4::integer), added_at FROM moved
    ON CONFLICT ("userId", "gameId") DO UPDATE SET
        quantity = greatest(
            -- Another application may have stored any number.
            mine.quantity, least($4::bigint, greatest(mine.quantity, 0)::bigint + excluded.quantity)
        ),
        "addedAt" = greatest(mine."addedAt", excluded."addedAt")
"""

_LIST_WISHES: Final = """
    SELECT theirs.game_id, g.title, mine."gameId" IS NOT NULL AS had, theirs.added_at
    FROM keyshop.guest_wishlist_items AS theirs JOIN games AS g ON g.id = theirs.game_id
    LEFT JOIN wishlist AS mine ON mine."userId" = $2 AND mine."gameId" = theirs.game_id
    WHERE theirs.session_id = $1
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

# The lines follow their session's id.
_RENEW_AS: Final = """
    UPDATE sessions SET "sessionId" = $2, "expiresAt" = $3 WHERE "sessionId" = $1
"""

_DELETE_SESSION: Final = 'DELETE FROM sessions WHERE "sessionId" = $1'


async def has_live(tx: Transaction, *, session_ids: list[str], now: datetime) -> bool:
    """Test whether one of these sessions is live, without waiting for anybody."""
    return bool(await tx.fetchval(_HAS_LIVE, session_ids, now))


async def lock_live(tx: Transaction, *, session_ids: list[str], now: datetime) -> str | None:
    """Return which of these sessions is live; nobody else changes it until the end."""
    found: str | None = await tx.fetchval(_LOCK_LIVE, session_ids, now)
    return found


async def lock_games_for_reference(tx: Transaction, *, session_id: str) -> None:
    """Keep all games of the guest's from being deleted until the end."""
    await tx.fetch(_HOLD_GAMES, session_id)


async def list_lines(tx: Transaction, *, session_id: str, user_id: str) -> list[GuestLine]:
    """Return the guest's cart beside what the user has of the same games."""
    return rows(GuestLine, await tx.fetch(_LIST_LINES, session_id, user_id))


async def count_lines(tx: Transaction, *, user_id: str) -> int:
    """Return how many games are in the user's cart."""
    return int(await tx.fetchval(_COUNT_LINES, user_id))


async def move_lines(
    tx: Transaction, *, session_id: str, user_id: str, game_ids: list[str], max_quantity: int
) -> None:
    """Make these lines the user's, each added to what the user has, up to the most of one game."""
    await tx.execute(_MOVE_LINES, session_id, user_id, game_ids, max_quantity)


async def list_wishes(tx: Transaction, *, session_id: str, user_id: str) -> list[GuestWish]:
    """Return the guest's wishlist beside the user's."""
    return rows(GuestWish, await tx.fetch(_LIST_WISHES, session_id, user_id))


async def count_wishes(tx: Transaction, *, user_id: str) -> int:
    """Return how many games are on the user's wishlist."""
    return int(await tx.fetchval(_COUNT_WISHES, user_id))


async def move_wishes(
    tx: Transaction, *, session_id: str, user_id: str, game_ids: list[str]
) -> None:
    """Make these wishes the user's; those that are already are only taken from the guest."""
    await tx.execute(_MOVE_WISHES, session_id, user_id, game_ids)


async def has_lines(tx: Transaction, *, session_id: str) -> bool:
    """Test whether the guest has anything left."""
    return bool(await tx.fetchval(_HAS_LINES, session_id))


async def rename_session(
    tx: Transaction, *, session_id: str, new_id: str, expires: datetime
) -> None:
    """Let the session and its lines go on for longer, perhaps under another id."""
    await tx.execute(_RENEW_AS, session_id, new_id, expires)


async def delete_session(tx: Transaction, *, session_id: str) -> None:
    """Delete the session."""
    await tx.execute(_DELETE_SESSION, session_id)
