"""
Signed-in devices: each is a family of refresh tokens, of which one is current.

Every refresh replaces the current token (refresh token rotation). If an older token comes back,
either it or its successor was stolen. Which one cannot be known, so the whole family is revoked. The
tabs of a browser share a token and may exchange it at the same moment: within a grace period they
all get the same successor. So a family stores two tokens, the current one and the one before it.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

from keyshop.accounts.errors import (
    BAD_REFRESH_TOKEN,
    NO_SUCH_USER,
    REVOKED_REFRESH_TOKEN,
    AccountChanged,
    TokenRefused,
)
from keyshop.accounts.models import Account, TokenPair
from keyshop.accounts.sessions import queries
from keyshop.accounts.sessions.queries import MAX_FAMILIES, RefreshToken
from keyshop.accounts.sessions.tokens import Claims, Tokens
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret

GRACE_PERIOD: Final = timedelta(seconds=10)
"""How long a replaced refresh token can still be exchanged for its successor."""

_log = structlog.get_logger(__name__)


async def begin_family(
    tx: Transaction, tokens: Tokens, account: Account, *, now: datetime
) -> TokenPair:
    """
    Sign the account in on one more device; the 51st signs out the one unused for longest.

    Raises:
        AccountChanged: its role or password has changed since `account` was read, or it is gone.
            Read it again and check again.
    """
    if not await queries.lock_if_unchanged(tx, account):
        raise AccountChanged
    await queries.revoke_oldest(tx, account.id, keep=MAX_FAMILIES - 1, now=now)
    family_id = new_id()
    await queries.add_family(
        tx,
        family_id=family_id,
        user_id=account.id,
        now=now,
        expires_at=now + tokens.refresh_lifetime,
    )
    token = await _add_token(tx, tokens, family_id=family_id, parent_id=None, now=now)
    return _pair(tokens, account, family_id, token, now=now)


async def refresh(db: Database, tokens: Tokens, refresh_token: str, *, now: datetime) -> TokenPair:
    """
    Exchange the refresh token for the next one and a new access token.

    Raises:
        TokenRefused: the token is not valid, has expired or was exchanged before, or the account has
            changed or is gone. The customer has to sign in again.
    """
    claims = tokens.read_refresh(refresh_token, now=now)
    async with db.transaction() as tx:
        result = await _exchange(tx, tokens, claims, now=now)
    # Raised outside the transaction, which must commit that it revoked the family.
    if isinstance(result, TokenRefused):
        raise result
    return result


async def revoke_family(tx: Transaction, family_id: str, *, reason: str, now: datetime) -> bool:
    """Sign out one device at once; False: it was signed out already."""
    return await queries.revoke(tx, family_id, reason=reason, now=now)


async def revoke_all(tx: Transaction, user_id: str, *, reason: str, now: datetime) -> int:
    """Sign out all devices of the account at once; return how many."""
    return await queries.revoke_all(tx, user_id, reason=reason, now=now)


async def rebind_to_new_hash(
    tx: Transaction, user_id: str, *, old_hash: Secret, new_hash: Secret
) -> int:
    """
    Keep devices signed in when the password hash changes; return how many.

    Call it in the transaction that stores the new hash, before it is stored: storing it revokes
    every family that is bound to another hash.
    """
    return await queries.rebind_to_new_hash(
        tx, user_id, old_hash=old_hash.reveal(), new_hash=new_hash.reveal()
    )


async def delete_expired_families(tx: Transaction, now: datetime) -> int:
    """
    Delete one batch of expired families and of expired refresh tokens.

    Return how many rows were deleted; call it again until there are none.
    """
    families = await queries.delete_expired_families(tx, now=now)
    return families + await queries.delete_expired_refresh_tokens(tx, now=now)


async def _exchange(
    tx: Transaction, tokens: Tokens, claims: Claims, *, now: datetime
) -> TokenPair | TokenRefused:
    is_revoked = await queries.lock_family(tx, family_id=claims.fid, user_id=claims.user_id)
    if is_revoked is None and not await queries.user_exists(tx, claims.user_id):
        return TokenRefused(NO_SUCH_USER)
    if is_revoked is None:
        return TokenRefused(BAD_REFRESH_TOKEN)
    account = await queries.find_account_of_family(tx, claims.fid)
    if is_revoked or account is None:
        return TokenRefused(REVOKED_REFRESH_TOKEN)
    token = await queries.find_refresh_token(tx, token_id=claims.jti, family_id=claims.fid)
    successor = None
    if token is not None:
        successor = await _rotate(tx, tokens, token, family_id=claims.fid, now=now)
    if successor is None:
        await queries.revoke(tx, claims.fid, reason="refresh token reused", now=now)
        _log.warning("account.refresh_token_reused", family=claims.fid)
        return TokenRefused(REVOKED_REFRESH_TOKEN)
    return _pair(tokens, account, claims.fid, successor, now=now)


async def _rotate(
    tx: Transaction, tokens: Tokens, token: RefreshToken, *, family_id: str, now: datetime
) -> RefreshToken | None:
    """Return the successor of the token; None: the token was replaced too long ago."""
    if token.replaced_at is None:
        await queries.mark_replaced(tx, token_id=token.id, now=now)
        await queries.extend_family(
            tx, family_id=family_id, expires_at=now + tokens.refresh_lifetime
        )
        # A broken page may refresh in a loop; older tokens would stay for a month.
        await queries.delete_older_tokens(tx, token_id=token.id, family_id=family_id)
        return await _add_token(tx, tokens, family_id=family_id, parent_id=token.id, now=now)
    if now - token.replaced_at <= GRACE_PERIOD and token.next_id is not None:
        return await queries.find_refresh_token(tx, token_id=token.next_id, family_id=family_id)
    return None


async def _add_token(
    tx: Transaction, tokens: Tokens, *, family_id: str, parent_id: str | None, now: datetime
) -> RefreshToken:
    token = RefreshToken(
        id=new_id(),
        issued_at=now,
        expires_at=now + tokens.refresh_lifetime,
        replaced_at=None,
        next_id=None,
    )
    await queries.add_refresh_token(
        tx,
        token_id=token.id,
        family_id=family_id,
        now=token.issued_at,
        expires_at=token.expires_at,
        parent_id=parent_id,
    )
    return token


def _pair(
    tokens: Tokens, account: Account, family_id: str, token: RefreshToken, *, now: datetime
) -> TokenPair:
    return TokenPair(
        token=tokens.sign_access(account, family_id=family_id, now=now),
        refresh_token=tokens.sign_refresh(
            account,
            family_id=family_id,
            token_id=token.id,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
        ),
        expires_in=int(tokens.access_lifetime.total_seconds()),
    )
