"""All SQL of email tokens."""
# ruff: noqa: S608 - statements are built from constants alone

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.columns import NICKNAME, NOT_ERASED
from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader, Transaction

# The lock waits for a transaction that deletes or erases the user. Then no row is added, which is no
# error; a link would reopen an erased account.
_ADD: Final = f"""
    INSERT INTO keyshop.email_tokens (id, user_id, purpose, email, created_at, expires_at)
    SELECT $1, id, $2, email, $4, $5 FROM users WHERE id = $3 AND {NOT_ERASED} FOR KEY SHARE
"""

# Only the newest code is valid. The row lock makes parallel attempts count one after the other.
_COUNT_CODE_ATTEMPT: Final = """
    UPDATE keyshop.email_tokens AS t SET tries = t.tries + 1
    FROM users AS u
    WHERE t.id = (
            SELECT id FROM keyshop.email_tokens WHERE user_id = $1 AND purpose = $2
            ORDER BY created_at DESC, id LIMIT 1
        )
        AND t.used_at IS NULL AND t.expires_at > $3 AND t.tries < $4
        AND u.id = t.user_id AND u.email = t.email
    RETURNING t.id
"""

_FIND_OWNER: Final = """
    SELECT user_id FROM keyshop.email_tokens WHERE id = $1 AND purpose = $2
"""

_USE: Final = """
    UPDATE keyshop.email_tokens AS t SET used_at = $3
    FROM users AS u
    WHERE t.id = $1 AND t.purpose = $2 AND t.used_at IS NULL AND t.expires_at > $3
        AND u.id = t.user_id AND u.email = t.email
    RETURNING u.id
"""

_IS_LIVE: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.email_tokens AS t
        JOIN users AS u ON u.id = t.user_id AND u.email = t.email
        WHERE t.id = $1 AND t.purpose = $2 AND t.used_at IS NULL AND t.expires_at > $3
    )
"""

_HAS_VERIFIED: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.email_tokens AS t
        JOIN users AS u ON u.id = t.user_id AND u.email = t.email
        WHERE t.id = $1 AND t.purpose = 'VERIFY_EMAIL' AND t.used_at IS NOT NULL
            AND u."emailVerified"
    )
"""

# Ordered by id, so that parallel transactions lock the rows in the same order.
_INVALIDATE: Final = """
    UPDATE keyshop.email_tokens SET used_at = $3
    WHERE id IN (
        SELECT id FROM keyshop.email_tokens
        WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL ORDER BY id FOR UPDATE
    )
"""

_DELETE: Final = "DELETE FROM keyshop.email_tokens WHERE user_id = $1"

_DELETE_EXPIRED: Final = """
    DELETE FROM keyshop.email_tokens WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.email_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
"""

# "Later" means the order in which `_COUNT_CODE_ATTEMPT` finds the newest.
_RECIPIENT: Final = f"""
    SELECT u.email, {NICKNAME}, t.used_at, t.expires_at, EXISTS (
            SELECT FROM keyshop.email_tokens AS later
            WHERE later.user_id = t.user_id AND later.purpose = t.purpose
                AND (later.created_at, t.id) > (t.created_at, later.id)
        ) AS is_superseded
    FROM keyshop.email_tokens AS t JOIN users AS u ON u.id = t.user_id AND u.email = t.email
    WHERE t.id = $1 AND u.id = $2
"""


class Recipient(Struct, frozen=True, kw_only=True):
    """The owner of an email token, and the token's state."""

    email: str
    nickname: str
    used_at: datetime | None
    expires_at: datetime
    is_superseded: bool
    """The user has a newer token for the same purpose."""


async def add_email_token(
    tx: Transaction,
    email_token_id: str,
    purpose: str,
    *,
    user_id: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store an email token for the user's current address; nothing for an unknown user."""
    await tx.execute(_ADD, email_token_id, purpose, user_id, now, expires_at)


async def count_code_attempt(
    tx: Transaction, user_id: str, purpose: str, *, max_attempts: int, now: datetime
) -> str | None:
    """
    Count an attempt at the user's newest code and return its id.

    None: the code has expired, was used, or had too many attempts; nothing is counted.
    """
    email_token_id: str | None = await tx.fetchval(
        _COUNT_CODE_ATTEMPT, user_id, purpose, now, max_attempts
    )
    return email_token_id


async def find_owner(reader: Reader, email_token_id: str, purpose: str) -> str | None:
    """
    Return the id of the user that the email token belongs to, valid or not.

    Lock the account before using the token. All code that writes to both does so; in another order,
    two transactions could deadlock.
    """
    user_id: str | None = await reader.fetchval(_FIND_OWNER, email_token_id, purpose)
    return user_id


async def use_email_token(
    tx: Transaction, email_token_id: str, purpose: str, *, now: datetime
) -> str | None:
    """Mark the token as used and return its user's id; None: it is not valid."""
    user_id: str | None = await tx.fetchval(_USE, email_token_id, purpose, now)
    return user_id


async def is_live(reader: Reader, email_token_id: str, purpose: str, *, now: datetime) -> bool:
    """Test whether the token is unused, has not expired, and is for the user's current address."""
    live: bool = await reader.fetchval(_IS_LIVE, email_token_id, purpose, now)
    return live


async def has_verified(reader: Reader, email_token_id: str) -> bool:
    """Test whether the token was used for the user's current address, which is verified."""
    verified: bool = await reader.fetchval(_HAS_VERIFIED, email_token_id)
    return verified


async def invalidate_email_tokens(
    tx: Transaction, user_id: str, purpose: str, *, now: datetime
) -> None:
    """Mark all unused tokens of the user for this purpose as used."""
    await tx.execute(_INVALIDATE, user_id, purpose, now)


async def delete_email_tokens(tx: Transaction, user_id: str) -> None:
    await tx.execute(_DELETE, user_id)


async def delete_expired(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` tokens that expired before then; return how many."""
    return await tx.execute(_DELETE_EXPIRED, before, limit)


async def find_recipient(reader: Reader, email_token_id: str, *, user_id: str) -> Recipient | None:
    """Return the recipient of the token's mail; None: the user or the address has changed."""
    record = await reader.fetchrow(_RECIPIENT, email_token_id, user_id)
    return None if record is None else row(Recipient, record)
