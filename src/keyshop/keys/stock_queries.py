"""The SQL of what operators see of the stock and do to single keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.keys.models import (
    GameStock,
    HeldKey,
    KeyState,
    ListedKey,
    Totals,
)
from keyshop.keys.queries import rows_with_key
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction

_FIND_GAMES: Final = """
    SELECT id, slug FROM games WHERE id = ANY($1::text[]) OR slug = ANY($1::text[])
"""
# A game that is being deleted is waited for; afterwards none can be.
_LOCK_GAMES: Final = f"{_FIND_GAMES} ORDER BY id FOR KEY SHARE"

_LIST: Final = """
    SELECT v.id, v.game_id, g.title, v.state, v.source, v.held_reason, v.duplicate_of, v.order_id,
        v.created_at, v.changed_at
    FROM keyshop.vault_keys AS v LEFT JOIN games AS g ON g.id = v.game_id
    WHERE ($1::text IS NULL OR v.game_id = $1) AND ($2::text IS NULL OR v.state = $2)
    ORDER BY v.created_at DESC, v.id LIMIT $3
"""

_TOTALS: Final = """
    SELECT count(*) FILTER (WHERE state = 'free') AS free,
        count(*) FILTER (WHERE state = 'delivered') AS delivered,
        count(*) FILTER (WHERE state = 'held') AS held,
        count(*) FILTER (WHERE state = 'revoked') AS revoked,
        (
            SELECT count(*) FROM game_keys AS k
            WHERE NOT EXISTS (SELECT FROM keyshop.vault_keys AS v WHERE v.id = k.id)
        ) AS unadopted
    FROM keyshop.vault_keys
"""

# In stock without anything that could be sold: their keys are not in the vault, or there is none.
_STOCKS: Final = """
    SELECT g.id AS game_id, g.title, coalesce(v.free, 0) AS free,
        coalesce(v.delivered, 0) AS delivered, coalesce(v.held, 0) AS held,
        g."inStock" AND NOT g."g2aStock" AND coalesce(v.free, 0) = 0 AS is_unsaleable
    FROM games AS g LEFT JOIN (
        SELECT game_id, count(*) FILTER (WHERE state = 'free') AS free,
            count(*) FILTER (WHERE state = 'delivered') AS delivered,
            count(*) FILTER (WHERE state = 'held') AS held
        FROM keyshop.vault_keys GROUP BY game_id
    ) AS v ON v.game_id = g.id
    WHERE v.game_id IS NOT NULL OR (g."inStock" AND NOT g."g2aStock")
    ORDER BY g.title, g.id
"""

# Both rows, in the order in which another program's change locks them.
_LOCK_ROWS: Final = "SELECT id FROM game_keys WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE"

_LOCK_KEYS: Final = """
    SELECT v.id, v.game_id, v.sealed_game_id, v.version, v.ciphertext, v.state, v.duplicate_of,
        v.order_id, k.id IS NOT NULL AS has_row, k.key, k."gameId" AS row_game_id,
        k."orderId" AS row_order_id, coalesce(k.activated, false) AS activated
    FROM keyshop.vault_keys AS v LEFT JOIN game_keys AS k ON k.id = v.id
    WHERE v.id = ANY($1::text[]) ORDER BY v.id FOR UPDATE OF v
"""

_SET_FREE: Final = """
    UPDATE keyshop.vault_keys AS v
    SET state = 'free', held_reason = NULL, game_id = n.game_id, changed_at = $3
    FROM unnest($1::text[], $2::text[]) AS n (id, game_id)
    WHERE v.id = n.id AND v.state = 'held'
"""

_SET_WITHDRAWN: Final = """
    UPDATE keyshop.vault_keys SET state = 'revoked', held_reason = NULL, changed_at = $2
    WHERE id = $1 AND state IN ('free', 'held')
"""


async def find_games(reader: Reader, names: Collection[str]) -> dict[str, str]:
    """Return the ids of the games with these ids or slugs, by the name; others are missing."""
    return _by_name(await reader.fetch(_FIND_GAMES, list(names)))


async def lock_games(tx: Transaction, names: Collection[str]) -> dict[str, str]:
    """As `find_games`; the games cannot be deleted until the transaction ends."""
    return _by_name(await tx.fetch(_LOCK_GAMES, list(names)))


def _by_name(found: Sequence[Record]) -> dict[str, str]:
    # An id is meant before a slug.
    by_slug = {record["slug"]: record["id"] for record in found}
    return by_slug | {record["id"]: record["id"] for record in found}


async def list_keys(
    reader: Reader, *, game_id: str | None, state: KeyState | None, limit: int
) -> list[ListedKey]:
    """Return keys without their texts, the newest first."""
    return rows(ListedKey, await reader.fetch(_LIST, game_id, state, limit))


async def count_keys(reader: Reader) -> Totals:
    [totals] = await reader.fetch(_TOTALS)
    return row(Totals, totals)


async def list_stocks(reader: Reader) -> list[GameStock]:
    """Return the stock of each game that has own keys, or is in stock without anything to sell."""
    return rows(GameStock, await reader.fetch(_STOCKS))


async def lock_keys(tx: Transaction, ids: Collection[str]) -> list[HeldKey]:
    """Return the keys with what `game_keys` says of them, both locked."""
    await tx.execute(_LOCK_ROWS, list(ids))
    return rows_with_key(HeldKey, await tx.fetch(_LOCK_KEYS, list(ids)))


async def set_free(tx: Transaction, keys: Collection[HeldKey], *, now: datetime) -> int:
    """Free held keys, for the games that their rows in `game_keys` name."""
    ids, games = [key.id for key in keys], [key.row_game_id or key.game_id for key in keys]
    return await tx.execute(_SET_FREE, ids, games, now)


async def set_withdrawn(tx: Transaction, vault_key_id: str, *, now: datetime) -> int:
    """Revoke a key that was not delivered."""
    return await tx.execute(_SET_WITHDRAWN, vault_key_id, now)
