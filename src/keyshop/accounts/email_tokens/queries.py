"""The SQL of proofs."""
# ruff: noqa: S608 - statements are put together from constants of the shop alone

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.columns import NICKNAME, NOT_ERASED
from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader, Transaction

# Locked: a user who is being deleted at this moment has no proof, and that is no error. Nor has one
# who is being erased: a link would open the account again.
_ADD: Final = f"""
    INSERT INTO keyshop.email_tokens (id, user_id, purpose, email, created_at, expires_at)
    SELECT $1, id, $2, email, $4, $5 FROM users WHERE id = $3 AND {NOT_ERASED} FOR KEY SHARE
"""

# Only the newest code counts. Of several tries at a time, each finds what the one before counted.
_TRY_CODE: Final = """
    UPDATE keyshop.email_tokens AS p SET tries = p.tries + 1
    FROM users AS u
    WHERE p.id = (
            SELECT id FROM keyshop.email_tokens WHERE user_id = $1 AND purpose = $2
            ORDER BY created_at DESC, id LIMIT 1
        )
        AND p.used_at IS NULL AND p.expires_at > $3 AND p.tries < $4
        AND u.id = p.user_id AND u.email = p.email
    RETURNING p.id
"""

_FIND_OWNER: Final = """
    SELECT user_id FROM keyshop.email_tokens WHERE id = $1 AND purpose = $2
"""

_USE: Final = """
    UPDATE keyshop.email_tokens AS p SET used_at = $3
    FROM users AS u
    WHERE p.id = $1 AND p.purpose = $2 AND p.used_at IS NULL AND p.expires_at > $3
        AND u.id = p.user_id AND u.email = p.email
    RETURNING u.id
"""

_IS_LIVE: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.email_tokens AS p
        JOIN users AS u ON u.id = p.user_id AND u.email = p.email
        WHERE p.id = $1 AND p.purpose = $2 AND p.used_at IS NULL AND p.expires_at > $3
    )
"""

_HAS_VERIFIED: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.email_tokens AS p
        JOIN users AS u ON u.id = p.user_id AND u.email = p.email
        WHERE p.id = $1 AND p.purpose = 'VERIFY_EMAIL' AND p.used_at IS NOT NULL
            AND u."emailVerified"
    )
"""

# In the order of ids, so that two who use the same up lock them in the same order.
_USE_ALL: Final = """
    UPDATE keyshop.email_tokens SET used_at = $3
    WHERE id IN (
        SELECT id FROM keyshop.email_tokens
        WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL ORDER BY id FOR UPDATE
    )
"""

_DELETE: Final = "DELETE FROM keyshop.email_tokens WHERE user_id = $1"

_FORGET: Final = """
    DELETE FROM keyshop.email_tokens WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.email_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
"""

# In the order in which `_TRY_CODE` looks for the newest.
_RECIPIENT: Final = f"""
    SELECT u.email, {NICKNAME}, p.used_at, p.expires_at, EXISTS (
            SELECT FROM keyshop.email_tokens AS later
            WHERE later.user_id = p.user_id AND later.purpose = p.purpose
                AND (later.created_at, p.id) > (p.created_at, later.id)
        ) AS is_superseded
    FROM keyshop.email_tokens AS p JOIN users AS u ON u.id = p.user_id AND u.email = p.email
    WHERE p.id = $1 AND u.id = $2
"""


class Recipient(Struct, frozen=True, kw_only=True):
    """Whoever gets a mail with a proof, and what became of that."""

    email: str
    nickname: str
    used_at: datetime | None
    expires_at: datetime
    is_superseded: bool
    """Another was mailed later, or will be; of codes only the newest counts."""


async def add_email_token(
    tx: Transaction,
    email_token_id: str,
    purpose: str,
    *,
    user_id: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a proof for the user's present address; nothing when there is no such user."""
    await tx.execute(_ADD, email_token_id, purpose, user_id, now, expires_at)


async def count_code_attempt(
    tx: Transaction, user_id: str, purpose: str, *, tries: int, now: datetime
) -> str | None:
    """Count a try at the user's newest proof and return its id; None: it is over or used up."""
    email_token_id: str | None = await tx.fetchval(_TRY_CODE, user_id, purpose, now, tries)
    return email_token_id


async def find_owner(reader: Reader, email_token_id: str, purpose: str) -> str | None:
    """
    Return whose proof it is, in whatever state.

    The account is locked before the proof is used, as everybody does who writes to both: in another
    order, two of them could wait for each other.
    """
    user_id: str | None = await reader.fetchval(_FIND_OWNER, email_token_id, purpose)
    return user_id


async def use_email_token(
    tx: Transaction, email_token_id: str, purpose: str, *, now: datetime
) -> str | None:
    """Use the proof up and return whose it is; None: it is over, used, or for another address."""
    user_id: str | None = await tx.fetchval(_USE, email_token_id, purpose, now)
    return user_id


async def is_live(reader: Reader, email_token_id: str, purpose: str, *, now: datetime) -> bool:
    """Test whether the proof could be used."""
    live: bool = await reader.fetchval(_IS_LIVE, email_token_id, purpose, now)
    return live


async def has_verified(reader: Reader, email_token_id: str) -> bool:
    """Test whether this proof was used, and its address is still the verified one."""
    verified: bool = await reader.fetchval(_HAS_VERIFIED, email_token_id)
    return verified


async def invalidate_email_tokens(
    tx: Transaction, user_id: str, purpose: str, *, now: datetime
) -> None:
    """Use up whatever else was mailed to the user for this purpose."""
    await tx.execute(_USE_ALL, user_id, purpose, now)


async def delete_email_tokens(tx: Transaction, user_id: str) -> None:
    """Delete whatever was mailed to the user."""
    await tx.execute(_DELETE, user_id)


async def delete_expired(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete proofs that were over before then; return how many there were."""
    return await tx.execute(_FORGET, before, limit)


async def find_recipient(reader: Reader, email_token_id: str, *, user_id: str) -> Recipient | None:
    """Return who gets the mail with this proof; None when the address is another one now."""
    record = await reader.fetchrow(_RECIPIENT, email_token_id, user_id)
    return None if record is None else row(Recipient, record)
