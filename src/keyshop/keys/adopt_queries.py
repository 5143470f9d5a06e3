"""The SQL of adopting keys that another program stored."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from keyshop.keys.models import AdoptedKey, ForeignKey
from keyshop.keys.queries import rows_with_key, writing_game_keys
from keyshop.kit.database.transaction import Transaction

# Locked: a program that assigns one at this moment is waited for, and its change is then seen.
_LOCK_FOREIGN: Final = """
    SELECT k.id, k."gameId" AS game_id, k.key, k."orderId" AS order_id, k.activated,
        k."createdAt" AS created_at
    FROM game_keys AS k
    WHERE k.id > $1 AND NOT EXISTS (SELECT FROM keyshop.vault_keys AS v WHERE v.id = k.id)
    ORDER BY k.id LIMIT $2
    FOR UPDATE
"""

_ADD: Final = """
    INSERT INTO keyshop.vault_keys (
        id, game_id, sealed_game_id, fingerprint, ciphertext, state, order_id, held_reason,
        created_at, version, source, changed_at
    )
    SELECT n.id, n.game_id, n.game_id, n.fingerprint, n.ciphertext, n.state, n.order_id,
        n.held_reason, n.created_at, $9, 'own', $10
    FROM unnest(
        $1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[],
        $8::timestamp[]
    ) AS n (id, game_id, fingerprint, ciphertext, state, order_id, held_reason, created_at)
    ON CONFLICT (fingerprint) WHERE duplicate_of IS NULL DO NOTHING
    RETURNING id
"""

# A row of its own, which is never sold. What was delivered stays visible to its customer.
_ADD_DUPLICATES: Final = """
    INSERT INTO keyshop.vault_keys (
        id, game_id, sealed_game_id, fingerprint, ciphertext, state, order_id, held_reason,
        created_at, version, source, changed_at, duplicate_of
    )
    SELECT n.id, n.game_id, n.game_id, n.fingerprint, n.ciphertext,
        CASE n.state WHEN 'free' THEN 'held' ELSE n.state END, n.order_id,
        CASE n.state WHEN 'delivered' THEN NULL ELSE 'has the same text as another key' END,
        n.created_at, $9, 'own', $10, v.id
    FROM unnest(
        $1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[],
        $8::timestamp[]
    ) AS n (id, game_id, fingerprint, ciphertext, state, order_id, held_reason, created_at)
    JOIN keyshop.vault_keys AS v ON v.fingerprint = n.fingerprint AND v.duplicate_of IS NULL
"""

_HOLD_GIVEN_AWAY: Final = """
    UPDATE keyshop.vault_keys
    SET state = 'held', held_reason = 'another row with its text is used', changed_at = $2
    WHERE fingerprint = ANY($1::bytea[]) AND duplicate_of IS NULL AND state = 'free'
    RETURNING game_id
"""

_SET_REFERENCES: Final = "UPDATE game_keys SET key = 'sealed:' || id WHERE id = ANY($1::text[])"


async def lock_foreign_keys(tx: Transaction, *, after: str, limit: int) -> list[ForeignKey]:
    """Return rows of `game_keys` that are not in the vault, by id, locked."""
    return rows_with_key(ForeignKey, await tx.fetch(_LOCK_FOREIGN, after, limit))


async def add_adopted(
    tx: Transaction, keys: Sequence[AdoptedKey], *, version: int, now: datetime
) -> set[str]:
    """Add the keys; return the ids of those whose text the vault has already, held or delivered."""
    added = {record["id"] for record in await tx.fetch(_ADD, *_to_columns(keys), version, now)}
    duplicates = [key for key in keys if key.id not in added]
    if duplicates:
        await tx.execute(_ADD_DUPLICATES, *_to_columns(duplicates), version, now)
    return {key.id for key in duplicates}


async def hold_given_away(
    tx: Transaction, fingerprints: Collection[bytes], *, now: datetime
) -> set[str]:
    """Hold free keys with these texts, and return the ids of their games."""
    held = await tx.fetch(_HOLD_GIVEN_AWAY, list(fingerprints), now)
    return {record["game_id"] for record in held}


async def set_references(tx: Transaction, ids: Collection[str]) -> None:
    """Replace the texts in `game_keys` by references to the vault."""
    async with writing_game_keys(tx):
        await tx.execute(_SET_REFERENCES, list(ids))


def _to_columns(keys: Sequence[AdoptedKey]) -> list[list[object]]:
    return [[getattr(key, name) for key in keys] for name in AdoptedKey.__struct_fields__]
