"""The SQL of sealing keys anew, and of moving texts into and out of `game_keys`."""

from collections.abc import Collection, Sequence
from typing import Final

from keyshop.keys.models import ResealedKey, SealedKey
from keyshop.keys.queries import rows_with_key, writing_game_keys
from keyshop.keys.settings import KeyStorage
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.sealing import Sealed
from keyshop.kit.secrets import Secret

_IS_DUE: Final = """
    (
        v.version <> $1 OR CASE WHEN $2 = 'sealed' THEN k.key <> 'sealed:' || v.id
            ELSE k.key = 'sealed:' || v.id AND v.duplicate_of IS NULL END
    )
"""

_LIST_DUE: Final = f"""
    SELECT v.id, v.game_id, v.sealed_game_id, v.version, v.ciphertext, k.key
    FROM keyshop.vault_keys AS v LEFT JOIN game_keys AS k ON k.id = v.id
    WHERE v.id > $3 AND {_IS_DUE}
    ORDER BY v.id LIMIT $4
"""  # noqa: S608 - made of constants

_COUNT_DUE: Final = f"""
    SELECT count(*) FROM keyshop.vault_keys AS v LEFT JOIN game_keys AS k ON k.id = v.id
    WHERE {_IS_DUE}
"""  # noqa: S608 - made of constants

# Another program may hold a row and wait for its vault key: this one never waits for rows.
_LOCK_ROWS: Final = """
    SELECT id FROM game_keys WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE SKIP LOCKED
"""

# Nothing is locked while texts are sealed: an order passes over locked keys, and would find none.
_RESEAL: Final = """
    UPDATE keyshop.vault_keys AS v
    SET version = $6, ciphertext = n.ciphertext, sealed_game_id = n.game_id
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::integer[])
        AS n (id, game_id, ciphertext, old_ciphertext, old_version)
    WHERE v.id = n.id AND v.game_id = n.game_id
        AND v.version = n.old_version AND v.ciphertext = n.old_ciphertext
"""

# A text that another row has cannot be stored again.
_SET_TEXTS: Final = """
    UPDATE game_keys AS k SET key = n.key
    FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, key, old_key)
    WHERE k.id = n.id AND k.key = n.old_key
        AND NOT EXISTS (SELECT FROM game_keys AS other WHERE other.key = n.key)
"""

_SET_FINGERPRINT_KEY: Final = """
    UPDATE keyshop.fingerprint_key SET version = $1, ciphertext = $2
    WHERE version = $3 AND ciphertext = $4
"""


async def list_due(
    reader: Reader, *, version: int, storage: KeyStorage, after: str, limit: int
) -> list[SealedKey]:
    """Return keys of another version, or whose text does not stand where `storage` wants it."""
    return rows_with_key(SealedKey, await reader.fetch(_LIST_DUE, version, storage, after, limit))


async def count_due(reader: Reader, *, version: int, storage: KeyStorage) -> int:
    count: int = await reader.fetchval(_COUNT_DUE, version, storage)
    return count


async def lock_rows(tx: Transaction, ids: Collection[str]) -> set[str]:
    """Lock rows of `game_keys`, and return the ids of those that were free to lock."""
    return {record["id"] for record in await tx.fetch(_LOCK_ROWS, list(ids))}


async def reseal(tx: Transaction, keys: Sequence[ResealedKey], *, version: int) -> int:
    """Store the keys as sealed anew, except those that changed meanwhile."""
    return await tx.execute(
        _RESEAL,
        [key.old.id for key in keys],
        [key.old.game_id for key in keys],
        [key.ciphertext for key in keys],
        [key.old.ciphertext for key in keys],
        [key.old.version for key in keys],
        version,
    )


async def set_texts(tx: Transaction, texts: Sequence[tuple[str, Secret, Secret]]) -> int:
    """Store texts or references, given as id, new and old one; not where the old one has changed."""
    async with writing_game_keys(tx):
        return await tx.execute(
            _SET_TEXTS,
            [each[0] for each in texts],
            [each[1].reveal() for each in texts],
            [each[2].reveal() for each in texts],
        )


async def set_fingerprint_key(tx: Transaction, sealed: Sealed, *, old: Sealed) -> None:
    await tx.execute(
        _SET_FINGERPRINT_KEY, sealed.version, sealed.ciphertext, old.version, old.ciphertext
    )
