"""Seal all keys with the current key of KEY_ENCRYPTION_KEYS, and move texts as KEY_STORAGE says."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog
from msgspec import Struct

from keyshop.journal.models import Details
from keyshop.journal.record import record
from keyshop.keys import queries, rotate_queries
from keyshop.keys.import_keys import STOCK
from keyshop.keys.models import ResealedKey, SealedKey
from keyshop.keys.open_vault import FINGERPRINT_CONTEXT
from keyshop.keys.rules import make_reference, seal_context
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.errors import RETRYABLE
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.sealing import SealBroken, Sealed
from keyshop.kit.secrets import Secret

_BATCH_SIZE: Final = 100  # keys of a transaction: an order passes over keys that are locked
_MAX_ATTEMPTS: Final = 5

_log = structlog.get_logger(__name__)


class RotateTotals(Struct, frozen=True, kw_only=True):
    """What a rotation did."""

    resealed: int
    moved: int
    """Rows of `game_keys` in which a text became a reference, or a reference a text."""

    left: int
    """Keys that could not be done: in use just now, unreadable, or changed by another program."""

    unused_versions: list[int]
    """Versions of KEY_ENCRYPTION_KEYS that seal nothing any more."""


async def rotate_keys(db: Database, vault: Vault, *, by: str, now: datetime) -> RotateTotals:
    """
    Seal what is sealed with an older key, and store texts where the vault's `storage` wants them.

    It works beside a running shop, 100 keys a transaction. A rotation that was interrupted is
    repeated, and continues.
    """
    resealed = moved = 0
    while True:
        done = await _pass_over_all(db, vault)
        if done == (0, 0):
            break
        resealed, moved = resealed + done[0], moved + done[1]

    async def work(tx: Transaction) -> RotateTotals:
        await _reseal_fingerprint_key(tx, vault)
        totals = RotateTotals(
            resealed=resealed,
            moved=moved,
            left=await rotate_queries.count_due(
                tx, version=vault.ring.current, storage=vault.storage
            ),
            unused_versions=await _list_unused(tx, vault),
        )
        details: Details = {
            "version": vault.ring.current,
            "storage": vault.storage,
            "resealed": resealed,
            "moved": moved,
            "left": totals.left,
        }
        await record(tx, actor=by, action="keys.rotate", subject=STOCK, details=details, now=now)
        return totals

    return await db.run(work, attempts=_MAX_ATTEMPTS)


async def _pass_over_all(db: Database, vault: Vault) -> tuple[int, int]:
    """Work on each due key once; return how many were sealed anew, and how many texts moved."""
    resealed, moved, after = 0, 0, ""
    while True:
        async with db.read() as reader:
            due = await rotate_queries.list_due(
                reader,
                version=vault.ring.current,
                storage=vault.storage,
                after=after,
                limit=_BATCH_SIZE,
            )
        if not due:
            return resealed, moved
        keys = [key for key in (_reseal(vault, each) for each in due) if key is not None]

        async def work(tx: Transaction, keys: Sequence[ResealedKey] = keys) -> tuple[int, int]:
            return await _store(tx, vault, keys)

        # Another program may store one of the texts at the same moment.
        done = await db.run(
            work, attempts=_MAX_ATTEMPTS, retryable=(*RETRYABLE, asyncpg.UniqueViolationError)
        )
        resealed, moved, after = resealed + done[0], moved + done[1], due[-1].id


async def _store(tx: Transaction, vault: Vault, keys: Sequence[ResealedKey]) -> tuple[int, int]:
    moving = {
        key.old.id: (key.new_key, key.old.key)
        for key in keys
        if key.new_key is not None and key.old.key is not None
    }
    # Before the vault's rows, in the order in which another program's change locks them.
    locked = await rotate_queries.lock_rows(tx, moving) if moving else set()
    older = [key for key in keys if key.old.version != vault.ring.current]
    resealed = await rotate_queries.reseal(tx, older, version=vault.ring.current) if older else 0
    texts = [(key_id, *moving[key_id]) for key_id in locked]
    return resealed, await rotate_queries.set_texts(tx, texts) if texts else 0


def _reseal(vault: Vault, key: SealedKey) -> ResealedKey | None:
    try:
        text = vault.ring.unseal(
            Sealed(key.version, key.ciphertext), context=seal_context(key.id, key.sealed_game_id)
        )
    except SealBroken as error:
        _log.error("keys.unreadable", vault_key_id=key.id, reason=str(error))
        return None
    sealed = vault.ring.seal(text, context=seal_context(key.id, key.game_id))
    return ResealedKey(
        old=key,
        ciphertext=sealed.ciphertext,
        new_key=_find_new_key(vault, key, Secret(text.decode())),
    )


def _find_new_key(vault: Vault, key: SealedKey, text: Secret) -> Secret | None:
    """Return what `game_keys` is to hold instead; None: what another program wrote there stays."""
    reference = Secret(make_reference(key.id))
    if key.key == reference and vault.storage is KeyStorage.PLAIN:
        return text
    is_text = key.key is not None and key.key.reveal().strip() == text.reveal()
    return reference if is_text and vault.storage is KeyStorage.SEALED else None


async def _reseal_fingerprint_key(tx: Transaction, vault: Vault) -> None:
    old = await queries.find_fingerprint_key(tx)
    if old is not None and old.version != vault.ring.current:
        key = vault.ring.unseal(old, context=FINGERPRINT_CONTEXT)
        new = vault.ring.seal(key, context=FINGERPRINT_CONTEXT)
        await rotate_queries.set_fingerprint_key(tx, new, old=old)


async def _list_unused(tx: Transaction, vault: Vault) -> list[int]:
    used = {each.version for each in await queries.list_versions(tx) if each.is_used}
    return sorted(vault.ring.versions - used - {vault.ring.current})
