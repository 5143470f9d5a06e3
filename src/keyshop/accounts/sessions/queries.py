"""All SQL of token families and refresh tokens."""
# ruff: noqa: S608 - statements are built from constants alone

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.columns import ACCOUNT_COLUMNS, to_account
from keyshop.accounts.models import Account
from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction

MAX_FAMILIES: Final = 50
"""Live token families of one account."""

# Rows per transaction: few enough that the cache is invalidated by key, and not for all users.
_BATCH_SIZE: Final = 400

# The lock waits for a transaction that is changing the role or the password.
_LOCK_IF_UNCHANGED: Final = """
    SELECT u.role::text = $2 AND u."passwordHash" = $3 AS is_unchanged
    FROM users AS u WHERE u.id = $1 FOR NO KEY UPDATE
"""

# The families refreshed most recently stay.
_REVOKE_OLDEST: Final = """
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
    SELECT revoked_at IS NOT NULL AS is_revoked FROM keyshop.token_families
    WHERE id = $1 AND user_id = $2 FOR UPDATE
"""

_USER_EXISTS: Final = "SELECT EXISTS (SELECT FROM users WHERE id = $1)"

_ACCOUNT_OF_FAMILY: Final = f"""
    SELECT {ACCOUNT_COLUMNS}
    FROM keyshop.token_families AS f JOIN users AS u ON u.id = f.user_id
    WHERE f.id = $1 AND f.account_state = keyshop.account_state(u.role, u."passwordHash")
"""

_FIND_REFRESH: Final = """
    SELECT t.id, t.issued_at, t.expires_at, t.replaced_at, next.id AS next_id
    FROM keyshop.refresh_tokens AS t
    LEFT JOIN keyshop.refresh_tokens AS next ON next.family_id = $2 AND next.parent_id = t.id
    WHERE t.id = $1 AND t.family_id = $2
"""

_MARK_REPLACED: Final = "UPDATE keyshop.refresh_tokens SET replaced_at = $2 WHERE id = $1"

_DELETE_OLDER_TOKENS: Final = """
    DELETE FROM keyshop.refresh_tokens WHERE family_id = $1 AND id <> $2
"""

_EXTEND: Final = "UPDATE keyshop.token_families SET expires_at = $2 WHERE id = $1"

_REVOKE: Final = """
    UPDATE keyshop.token_families SET revoked_at = $3, revoked_reason = $2
    WHERE id = $1 AND revoked_at IS NULL
"""

# Ordered by id, so that parallel transactions lock the rows in the same order.
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

_REBIND: Final = """
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

_DELETE_EXPIRED_FAMILIES: Final = """
    DELETE FROM keyshop.token_families WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.token_families WHERE expires_at < $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""

_DELETE_EXPIRED_REFRESH_TOKENS: Final = """
    DELETE FROM keyshop.refresh_tokens WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.refresh_tokens WHERE expires_at < $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""


class RefreshToken(Struct, frozen=True, kw_only=True):
    id: str
    issued_at: datetime
    expires_at: datetime
    replaced_at: datetime | None
    next_id: str | None
    """The token that replaced it."""


class TokenFamily(Struct, frozen=True, kw_only=True):
    """One sign-in on one device."""

    id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None


class Access(Struct, frozen=True):
    """The role of an account, and the families whose access tokens are valid; cached."""

    role: str
    families: list[str]


async def lock_if_unchanged(tx: Transaction, account: Account) -> bool:
    """Lock the account; False: its role or password has changed, or it is gone."""
    unchanged: bool | None = await tx.fetchval(
        _LOCK_IF_UNCHANGED, account.id, account.role, account.password_hash.reveal()
    )
    return bool(unchanged)


async def revoke_oldest(tx: Transaction, user_id: str, *, keep: int, now: datetime) -> None:
    """Revoke all live families but the `keep` that were refreshed most recently."""
    await tx.execute(_REVOKE_OLDEST, user_id, keep, now)


async def add_family(
    tx: Transaction, *, family_id: str, user_id: str, now: datetime, expires_at: datetime
) -> None:
    """Store a family, bound to the current role and password of the account."""
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
    await tx.execute(_ADD_REFRESH, token_id, family_id, now, expires_at, parent_id)


async def lock_family(tx: Transaction, *, family_id: str, user_id: str) -> bool | None:
    """Lock the family and return whether it is revoked; None: there is no such family."""
    is_revoked: bool | None = await tx.fetchval(_LOCK_FAMILY, family_id, user_id)
    return is_revoked


async def user_exists(reader: Reader, user_id: str) -> bool:
    return bool(await reader.fetchval(_USER_EXISTS, user_id))


async def find_account_of_family(reader: Reader, family_id: str) -> Account | None:
    """Return the account; None: its role or password has changed since the family began."""
    record = await reader.fetchrow(_ACCOUNT_OF_FAMILY, family_id)
    return None if record is None else to_account(record)


async def find_refresh_token(
    reader: Reader, *, token_id: str, family_id: str
) -> RefreshToken | None:
    record = await reader.fetchrow(_FIND_REFRESH, token_id, family_id)
    return None if record is None else row(RefreshToken, record)


async def mark_replaced(tx: Transaction, *, token_id: str, now: datetime) -> None:
    await tx.execute(_MARK_REPLACED, token_id, now)


async def delete_older_tokens(tx: Transaction, *, token_id: str, family_id: str) -> None:
    """Delete all refresh tokens of the family but this one."""
    await tx.execute(_DELETE_OLDER_TOKENS, family_id, token_id)


async def extend_family(tx: Transaction, *, family_id: str, expires_at: datetime) -> None:
    await tx.execute(_EXTEND, family_id, expires_at)


async def revoke(tx: Transaction, family_id: str, *, reason: str, now: datetime) -> bool:
    """Revoke the family; False: it was not live."""
    return bool(await tx.execute(_REVOKE, family_id, reason, now))


async def revoke_all(tx: Transaction, user_id: str, *, reason: str, now: datetime) -> int:
    """Revoke all live families of the account; return how many."""
    return await tx.execute(_REVOKE_ALL, user_id, reason, now)


async def revoke_others(
    tx: Transaction, user_id: str, *, keep: str, reason: str, now: datetime
) -> int:
    """Revoke all live families of the account but one; return how many."""
    return await tx.execute(_REVOKE_OTHERS, user_id, keep, reason, now)


async def rebind_to_new_hash(tx: Transaction, user_id: str, *, old_hash: str, new_hash: str) -> int:
    """Bind live families of the old password hash to the new one; return how many."""
    return await tx.execute(_REBIND, user_id, old_hash, new_hash)


async def find_access(reader: Reader, user_id: str) -> Access | None:
    record = await reader.fetchrow(_ACCESS, user_id)
    return None if record is None else Access(record["role"], record["families"])


async def list_families(reader: Reader, user_id: str) -> list[TokenFamily]:
    """Return the families of the account, live or not, the newest first."""
    return rows(TokenFamily, await reader.fetch(_FAMILIES, user_id))


async def delete_families(tx: Transaction, user_id: str) -> None:
    """Delete all families of the account, and with them their refresh tokens."""
    await tx.execute(_DELETE_FAMILIES, user_id)


async def delete_expired_families(tx: Transaction, *, now: datetime) -> int:
    """Delete one batch of families whose last refresh token has expired; return how many."""
    return await tx.execute(_DELETE_EXPIRED_FAMILIES, now, _BATCH_SIZE)


async def delete_expired_refresh_tokens(tx: Transaction, *, now: datetime) -> int:
    """Delete one batch of expired refresh tokens; return how many."""
    return await tx.execute(_DELETE_EXPIRED_REFRESH_TOKENS, now, _BATCH_SIZE)
