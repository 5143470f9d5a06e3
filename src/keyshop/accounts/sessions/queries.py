"""All SQL of sign-ins that last: token families and their refresh tokens."""
# ruff: noqa: S608 - one statement is put together from constants

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.columns import ACCOUNT_COLUMNS, to_account
from keyshop.accounts.models import Account, Role
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction

MAX_FAMILIES: Final = 50
"""Live sign-ins of one account."""

# Rows that one transaction forgets: few enough for their owners' answers to be thrown away by key,
# and not those of everybody.
_AT_ONCE: Final = 400

# Locked, not only read: whoever changes role or password at this moment is waited for.
_LOCK_ACCOUNT_STATE: Final = """
    SELECT u.role::text = $2 AND u."passwordHash" = $3 AS is_as_read
    FROM users AS u WHERE u.id = $1 FOR NO KEY UPDATE
"""

# Those that were refreshed last stay.
_REVOKE_BEYOND: Final = """
    UPDATE keyshop.token_families SET revoked_at = $3, revoked_reason = 'too many sign-ins'
    WHERE id IN (
        SELECT id FROM keyshop.token_families WHERE user_id = $1 AND revoked_at IS NULL
        ORDER BY expires_at DESC, id OFFSET $2
    )
"""

_ADD_FAMILY: Final = """
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
    SELECT $1, u.id, keyshop.account_state(u.role, u."passwordHash"), $3, $4
    FROM users AS u WHERE u.id = $2
"""

_ADD_REFRESH: Final = """
    INSERT INTO keyshop.refresh_tokens (id, family_id, issued_at, expires_at, parent_id)
    VALUES ($1, $2, $3, $4, $5)
"""

_LOCK_FAMILY: Final = """
    SELECT revoked_at IS NULL AS is_live FROM keyshop.token_families
    WHERE id = $1 AND user_id = $2 FOR UPDATE
"""

_USER_EXISTS: Final = "SELECT EXISTS (SELECT FROM users WHERE id = $1)"

_ACCOUNT_OF_FAMILY: Final = f"""
    SELECT {ACCOUNT_COLUMNS}
    FROM keyshop.token_families AS f JOIN users AS u ON u.id = f.user_id
    WHERE f.id = $1 AND f.account_state = keyshop.account_state(u.role, u."passwordHash")
"""

_REFRESH: Final = """
    SELECT t.id, t.issued_at, t.expires_at, t.replaced_at, next.id AS next_id
    FROM keyshop.refresh_tokens AS t
    LEFT JOIN keyshop.refresh_tokens AS next ON next.family_id = $2 AND next.parent_id = t.id
    WHERE t.id = $1 AND t.family_id = $2
"""

_REPLACE: Final = "UPDATE keyshop.refresh_tokens SET replaced_at = $2 WHERE id = $1"

_FORGET_OLDER: Final = """
    DELETE FROM keyshop.refresh_tokens WHERE family_id = $1 AND id <> $2
"""

_PROLONG: Final = "UPDATE keyshop.token_families SET expires_at = $2 WHERE id = $1"

_REVOKE: Final = """
    UPDATE keyshop.token_families SET revoked_at = $3, revoked_reason = $2
    WHERE id = $1 AND revoked_at IS NULL
"""

# In the order of ids, so that two who revoke the same lock them in the same order.
_REVOKE_ALL: Final = """
    UPDATE keyshop.token_families SET revoked_at = $3, revoked_reason = $2
    WHERE id IN (
        SELECT id FROM keyshop.token_families WHERE user_id = $1 AND revoked_at IS NULL
        ORDER BY id FOR UPDATE
    )
"""

_REVOKE_OTHERS: Final = """
    UPDATE keyshop.token_families SET revoked_at = $4, revoked_reason = $3
    WHERE id IN (
        SELECT id FROM keyshop.token_families
        WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL ORDER BY id FOR UPDATE
    )
"""

_CARRY_OVER: Final = """
    UPDATE keyshop.token_families AS f
    SET account_state = keyshop.account_state(u.role, $3)
    FROM users AS u
    WHERE u.id = $1 AND f.user_id = u.id AND f.revoked_at IS NULL
    AND f.account_state = keyshop.account_state(u.role, $2)
"""

_ACCESS: Final = """
    SELECT u.role::text AS role, ARRAY(
        SELECT f.id FROM keyshop.token_families AS f
        WHERE f.user_id = u.id AND f.revoked_at IS NULL
        AND f.account_state = keyshop.account_state(u.role, u."passwordHash")
        ORDER BY f.id
    ) AS families
    FROM users AS u WHERE u.id = $1
"""

_FAMILIES: Final = """
    SELECT id, created_at, expires_at, revoked_at, revoked_reason
    FROM keyshop.token_families WHERE user_id = $1 ORDER BY created_at DESC, id
"""

_DELETE_FAMILIES: Final = "DELETE FROM keyshop.token_families WHERE user_id = $1"

_FORGET_FAMILIES: Final = """
    DELETE FROM keyshop.token_families WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.token_families WHERE expires_at < $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""

_FORGET_REFRESH_TOKENS: Final = """
    DELETE FROM keyshop.refresh_tokens WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.refresh_tokens WHERE expires_at < $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""


class RefreshToken(Struct, frozen=True, kw_only=True):
    """A refresh token that was given out."""

    id: str
    issued_at: datetime
    expires_at: datetime
    replaced_at: datetime | None
    next_id: str | None
    """The one that replaced it."""


class FamilyRow(Struct, frozen=True, kw_only=True):
    """A sign-in on one device."""

    id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None


class Access(Struct, frozen=True):
    """What decides whether somebody's access tokens are still good, and for what."""

    role: Role
    families: list[str]


async def is_as_read(tx: Transaction, account: Account) -> bool:
    """Test whether role and password are those of the account; they stay until the end of `tx`."""
    found: bool | None = await tx.fetchval(
        _LOCK_ACCOUNT_STATE, account.id, account.role, account.password_hash.reveal()
    )
    return bool(found)


async def revoke_beyond(tx: Transaction, user_id: str, *, most: int, now: datetime) -> None:
    """Revoke the families beyond so many, those that were refreshed longest ago."""
    await tx.execute(_REVOKE_BEYOND, user_id, most, now)


async def add_family(
    tx: Transaction, *, family_id: str, user_id: str, now: datetime, expires_at: datetime
) -> None:
    """Store a family, for the account as it is."""
    await tx.execute(_ADD_FAMILY, family_id, user_id, now, expires_at)


async def add_refresh_token(
    tx: Transaction,
    *,
    token_id: str,
    family_id: str,
    now: datetime,
    expires_at: datetime,
    parent_id: str | None,
) -> None:
    """Store a refresh token."""
    await tx.execute(_ADD_REFRESH, token_id, family_id, now, expires_at, parent_id)


async def lock_family(tx: Transaction, *, family_id: str, user_id: str) -> bool | None:
    """Test whether the family is live, and let nobody else change it; None: there is none."""
    found: bool | None = await tx.fetchval(_LOCK_FAMILY, family_id, user_id)
    return found


async def user_exists(reader: Reader, user_id: str) -> bool:
    """Test whether there is such an account."""
    return bool(await reader.fetchval(_USER_EXISTS, user_id))


async def find_account_of_family(reader: Reader, family_id: str) -> Account | None:
    """Return the account, if it is still as it was when the family began."""
    found = await reader.fetchrow(_ACCOUNT_OF_FAMILY, family_id)
    return None if found is None else to_account(found)


async def find_refresh_token(
    reader: Reader, *, token_id: str, family_id: str
) -> RefreshToken | None:
    """Return the refresh token, if the family has it."""
    found = await reader.fetchrow(_REFRESH, token_id, family_id)
    return None if found is None else row(RefreshToken, found)


async def replace(tx: Transaction, *, token_id: str, now: datetime) -> None:
    """Note that the refresh token was exchanged for the next one."""
    await tx.execute(_REPLACE, token_id, now)


async def forget_older(tx: Transaction, *, token_id: str, family_id: str) -> None:
    """Delete the family's refresh tokens before this one, which is the present one."""
    await tx.execute(_FORGET_OLDER, family_id, token_id)


async def prolong(tx: Transaction, *, family_id: str, expires_at: datetime) -> None:
    """Note when the family's last refresh token expires."""
    await tx.execute(_PROLONG, family_id, expires_at)


async def revoke(tx: Transaction, family_id: str, *, reason: str, now: datetime) -> int:
    """Revoke the family, unless it is; return whether it was live, as a number."""
    return await tx.execute(_REVOKE, family_id, reason, now)


async def revoke_all(tx: Transaction, user_id: str, *, reason: str, now: datetime) -> int:
    """Revoke all live families of the account; return how many there were."""
    return await tx.execute(_REVOKE_ALL, user_id, reason, now)


async def revoke_others(
    tx: Transaction, user_id: str, *, keep: str, reason: str, now: datetime
) -> int:
    """Sign all devices of an account out but one; return how many there were."""
    return await tx.execute(_REVOKE_OTHERS, user_id, keep, reason, now)


async def rebind_to_new_hash(tx: Transaction, user_id: str, *, old_hash: str, new_hash: str) -> int:
    """Let families that began with the one hash go on with the other."""
    return await tx.execute(_CARRY_OVER, user_id, old_hash, new_hash)


async def find_access(reader: Reader, user_id: str) -> Access | None:
    """Return what the account's access tokens are good for; None: there is no account."""
    found = await reader.fetchrow(_ACCESS, user_id)
    return None if found is None else Access(Role(found["role"]), found["families"])


async def list_families(reader: Reader, user_id: str) -> list[FamilyRow]:
    """Return the sign-ins of a user that are remembered, the latest first."""
    return rows(FamilyRow, await reader.fetch(_FAMILIES, user_id))


async def delete_families(tx: Transaction, user_id: str) -> None:
    """Delete what is known of the user's devices, their tokens included."""
    await tx.execute(_DELETE_FAMILIES, user_id)


async def forget_families(tx: Transaction, *, now: datetime) -> int:
    """Delete some families whose last refresh token has expired; return how many."""
    return await tx.execute(_FORGET_FAMILIES, now, _AT_ONCE)


async def forget_refresh_tokens(tx: Transaction, *, now: datetime) -> int:
    """Delete some refresh tokens that have expired; return how many."""
    return await tx.execute(_FORGET_REFRESH_TOKENS, now, _AT_ONCE)
