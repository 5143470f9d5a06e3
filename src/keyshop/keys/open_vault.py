"""Open the vault when a process starts."""

import secrets
from datetime import datetime
from typing import Final

from keyshop.keys import queries
from keyshop.keys.errors import KeysRefused
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.pool import Database
from keyshop.kit.sealing import KeyRing, SealBroken, Sealed
from keyshop.kit.secrets import Secret

FINGERPRINT_CONTEXT: Final = b"keyshop.fingerprint_key"

_CHECK: Final = b"keyshop"
_CHECK_CONTEXT: Final = b"keyshop.key_versions"


async def open_vault(db: Database, ring: KeyRing, storage: KeyStorage, *, now: datetime) -> Vault:
    """
    Return what seals and unseals keys; the first call draws the key of fingerprints.

    It writes only if the database does not know the current version yet.

    Raises:
        KeysRefused: a key is missing with which something is sealed, or is another one.
        DatabaseUnavailable: the database does not answer.
    """
    fingerprint_key = await _unlock(db, ring)
    if fingerprint_key is None:
        await _introduce(db, ring, now=now)
        # Checked again: another process may have been first, with other keys.
        fingerprint_key = await _unlock(db, ring)
    if fingerprint_key is None:
        raise KeysRefused("cannot be recorded in the database")
    return Vault(ring=ring, fingerprint_key=fingerprint_key, storage=storage)


async def _unlock(db: Database, ring: KeyRing) -> Secret | None:
    """Check the keys, and return that of fingerprints; None: the current version is new."""
    async with db.read() as reader:
        known = await queries.list_versions(reader)
        sealed = await queries.find_fingerprint_key(reader)
    for each in known:
        if each.version in ring.versions:
            _check(ring, Sealed(each.version, each.check))
        elif each.is_used:
            raise KeysRefused(f"has no key of version {each.version}, with which some are sealed")
    if sealed is None or ring.current not in {each.version for each in known}:
        return None
    return Secret(ring.unseal(sealed, context=FINGERPRINT_CONTEXT).decode())


def _check(ring: KeyRing, check: Sealed) -> None:
    try:
        ring.unseal(check, context=_CHECK_CONTEXT)
    except SealBroken:
        raise KeysRefused(
            f"has another key of version {check.version} than the one in use"
        ) from None


async def _introduce(db: Database, ring: KeyRing, *, now: datetime) -> None:
    async with db.transaction() as tx:
        await queries.add_version(tx, ring.seal(_CHECK, context=_CHECK_CONTEXT), now=now)
        drawn = secrets.token_urlsafe(32).encode()
        await queries.add_fingerprint_key(tx, ring.seal(drawn, context=FINGERPRINT_CONTEXT))
