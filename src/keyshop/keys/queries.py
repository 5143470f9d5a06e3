"""
All SQL of the vault.

`game_keys` is written here alone, and only inside `writing_game_keys`: a trigger holds
the free keys of every row that is changed otherwise.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

from asyncpg import Record
from msgspec import Struct

from keyshop.keys.models import KeyVersion, NewKey, OrderKey
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.sealing import Sealed
from keyshop.kit.secrets import Secret

_MARK: Final = "SELECT set_config('keyshop.vault', $1, true)"

_LIST_VERSIONS: Final = """
    SELECT version, "check",
        EXISTS (SELECT FROM keyshop.vault_keys AS v WHERE v.version = k.version)
        OR EXISTS (SELECT FROM keyshop.fingerprint_key AS f WHERE f.version = k.version) AS is_used
    FROM keyshop.key_versions AS k ORDER BY version
"""

_ADD_VERSION: Final = """
    INSERT INTO keyshop.key_versions (version, "check", created_at) VALUES ($1, $2, $3)
    ON CONFLICT (version) DO NOTHING
"""

_FIND_FINGERPRINT_KEY: Final = "SELECT version, ciphertext FROM keyshop.fingerprint_key"

_ADD_FINGERPRINT_KEY: Final = """
    INSERT INTO keyshop.fingerprint_key (version, ciphertext) VALUES ($1, $2)
    ON CONFLICT (id) DO NOTHING
"""

# Both rows are locked: another program that changes one in game_keys must not wait for its vault key
# while this transaction waits for the row.
_LOCK_FREE: Final = """
    SELECT v.id FROM keyshop.vault_keys AS v JOIN game_keys AS k ON k.id = v.id
    WHERE v.game_id = $1 AND v.state = 'free' AND k."orderId" IS NULL AND NOT k.activated
    ORDER BY v.created_at, v.id LIMIT $2
    FOR UPDATE OF v, k SKIP LOCKED
"""

_SET_DELIVERED: Final = """
    WITH delivered AS (
        UPDATE keyshop.vault_keys AS v
        SET state = 'delivered', order_id = $3, unit_id = n.unit_id, changed_at = $4
        FROM unnest($1::text[], $2::text[]) AS n (id, unit_id)
        WHERE v.id = n.id AND v.state = 'free'
        RETURNING v.id
    )
    UPDATE game_keys AS k SET "orderId" = $3 FROM delivered AS d WHERE k.id = d.id
"""

_SET_REVOKED: Final = """
    UPDATE keyshop.vault_keys SET state = 'revoked', changed_at = $2
    WHERE unit_id = ANY($1::text[]) AND state = 'delivered'
"""

# A text that another program stored is a key as well, though it is not in the vault.
_ADD_TO_VAULT: Final = """
    INSERT INTO keyshop.vault_keys (
        id, game_id, sealed_game_id, fingerprint, ciphertext, version, source, state,
        created_at, changed_at
    )
    SELECT n.id, n.game_id, n.game_id, n.fingerprint, n.ciphertext, $6, $7, 'free', $8, $8
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[])
        WITH ORDINALITY AS n (id, game_id, fingerprint, ciphertext, key, place)
    -- With NOT EXISTS, each batch of an import would read the whole table.
    WHERE (SELECT k.id FROM game_keys AS k WHERE k.key = n.key LIMIT 1) IS NULL
    ORDER BY n.place -- of equal texts, the first is added
    ON CONFLICT (fingerprint) WHERE duplicate_of IS NULL DO NOTHING
    RETURNING id
"""

_ADD_TO_GAME_KEYS: Final = """
    INSERT INTO game_keys (id, "gameId", key, "createdAt")
    SELECT id, game_id, key, $4 FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, game_id, key)
"""

# A customer keeps what was delivered, whatever another program did to the row in game_keys. A row that
# is not in the vault is of an order from before it, and holds its text.
_LIST_OF_ORDER: Final = """
    SELECT id, sealed_game_id, version, ciphertext, NULL AS key FROM keyshop.vault_keys
    WHERE order_id = $1 AND state IN ('delivered', 'revoked')
    UNION ALL
    SELECT k.id, NULL, NULL, NULL, k.key FROM game_keys AS k
    WHERE k."orderId" = $1 AND NOT EXISTS (SELECT FROM keyshop.vault_keys AS v WHERE v.id = k.id)
"""

_RECORD_REVEALS: Final = """
    INSERT INTO keyshop.key_reveals (vault_key_id, user_id, day, revealed_at)
    SELECT id, $2, $3, $4 FROM unnest($1::text[]) AS n (id) ORDER BY id
    ON CONFLICT (vault_key_id, user_id, day) DO NOTHING
"""

# No id changes, so carts may refer to the games meanwhile: NO KEY UPDATE does not block them.
_LOCK_GAMES: Final = "SELECT id FROM games WHERE id = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"

_UPDATE_IN_STOCK: Final = """
    UPDATE games AS g SET "inStock" = n.in_stock, "updatedAt" = $2
    FROM (
        SELECT id, "g2aStock" OR EXISTS (
            SELECT FROM keyshop.vault_keys AS v WHERE v.game_id = games.id AND v.state = 'free'
        ) AS in_stock
        FROM games WHERE id = ANY($1::text[])
    ) AS n
    WHERE g.id = n.id AND g."inStock" IS DISTINCT FROM n.in_stock
"""


_Row = TypeVar("_Row", bound=Struct)


def rows_with_key(kind: type[_Row], records: Iterable[Record]) -> list[_Row]:
    """Return the records as Structs, whose field `key` is a Secret: it may be the text of a key."""
    return [
        kind(**{**record, "key": None if record["key"] is None else Secret(record["key"])})
        for record in records
    ]


@asynccontextmanager
async def writing_game_keys(tx: Transaction) -> AsyncIterator[None]:
    """Mark the block's changes of `game_keys` as the vault's own."""
    await tx.fetchval(_MARK, "on")
    yield
    await tx.fetchval(_MARK, "")


async def list_versions(reader: Reader) -> list[KeyVersion]:
    return rows(KeyVersion, await reader.fetch(_LIST_VERSIONS))


async def add_version(tx: Transaction, check: Sealed, *, now: datetime) -> None:
    """Record the check of a version; one that is there stays."""
    await tx.execute(_ADD_VERSION, check.version, check.ciphertext, now)


async def find_fingerprint_key(reader: Reader) -> Sealed | None:
    found = await reader.fetchrow(_FIND_FINGERPRINT_KEY)
    return None if found is None else row(Sealed, found)


async def add_fingerprint_key(tx: Transaction, sealed: Sealed) -> None:
    """Store the key of fingerprints; one that is there stays."""
    await tx.execute(_ADD_FINGERPRINT_KEY, sealed.version, sealed.ciphertext)


async def lock_free_keys(tx: Transaction, game_id: str, *, count: int) -> list[str]:
    """Return the ids of up to `count` free keys of the game, oldest first; locked ones are skipped."""
    return [record["id"] for record in await tx.fetch(_LOCK_FREE, game_id, count)]


async def set_delivered(
    tx: Transaction, units: Mapping[str, str], *, order_id: str, now: datetime
) -> int:
    """Give free keys to units, by the key's id, and return how many were free."""
    async with writing_game_keys(tx):
        return await tx.execute(
            _SET_DELIVERED, list(units.keys()), list(units.values()), order_id, now
        )


async def set_revoked(tx: Transaction, unit_ids: Collection[str], *, now: datetime) -> int:
    """Revoke the delivered keys of the units."""
    return await tx.execute(_SET_REVOKED, list(unit_ids), now)


async def add_to_vault(
    tx: Transaction, keys: Sequence[NewKey], *, source: str, version: int, now: datetime
) -> set[str]:
    """Add free keys, and return the ids of those whose text the shop did not have."""
    added = await tx.fetch(
        _ADD_TO_VAULT,
        [key.id for key in keys],
        [key.game_id for key in keys],
        [key.fingerprint for key in keys],
        [key.ciphertext for key in keys],
        [key.text.reveal() for key in keys],
        version,
        source,
        now,
    )
    return {record["id"] for record in added}


async def add_to_game_keys(
    tx: Transaction, texts: Sequence[tuple[str, str, str]], *, now: datetime
) -> None:
    """Add rows of id, game and text."""
    ids, games, keys = zip(*texts, strict=True)
    await tx.execute(_ADD_TO_GAME_KEYS, ids, games, keys, now)


async def list_of_order(reader: Reader, order_id: str) -> list[OrderKey]:
    """Return the keys that were delivered for the order."""
    return rows_with_key(OrderKey, await reader.fetch(_LIST_OF_ORDER, order_id))


async def record_reveals(
    tx: Transaction, vault_key_ids: Collection[str], *, user_id: str, now: datetime
) -> None:
    """Record that the user sees the keys, once for each day (UTC)."""
    await tx.execute(_RECORD_REVEALS, list(vault_key_ids), user_id, now.date(), now)


async def lock_games(tx: Transaction, game_ids: Collection[str]) -> None:
    await tx.execute(_LOCK_GAMES, list(game_ids))


async def update_in_stock(tx: Transaction, game_ids: Collection[str], *, now: datetime) -> int:
    return await tx.execute(_UPDATE_IN_STOCK, list(game_ids), now)
