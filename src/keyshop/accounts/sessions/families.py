"""
Sign-ins that last: a family of refresh tokens for each device, one after the other.

A refresh token is exchanged for the next one. One that comes back later was stolen, or the next one
was: nobody can tell which, so that the whole family ends. Several tabs of a browser share a token
and may exchange it at the same moment; for some seconds they all get the same next one. So a family
has two rows, the present token and the one before it; any other that we once signed for it is older.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

from keyshop.accounts.errors import (
    BAD_REFRESH_TOKEN,
    DEAD_REFRESH_TOKEN,
    NO_SUCH_USER,
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

GRACE: Final = timedelta(seconds=10)
"""How long the refresh token before the present one is still good for the present one."""

_log = structlog.get_logger(__name__)


async def begin_family(
    tx: Transaction, tokens: Tokens, account: Account, *, now: datetime
) -> TokenPair:
    """
    Sign the account in on one more device; beyond 50, the one unused for longest is signed out.

    Raises:
        AccountChanged: its role or password is another than the one that was checked, or it is
            gone. Read it again, and check again.
    """
    if not await queries.is_as_read(tx, account):
        raise AccountChanged
    await queries.revoke_beyond(tx, account.id, most=MAX_FAMILIES - 1, now=now)
    family_id = new_id()
    await queries.add_family(
        tx,
        family_id=family_id,
        user_id=account.id,
        now=now,
        expires_at=now + tokens.refresh_life,
    )
    token = await _add_token(tx, tokens, family_id=family_id, parent_id=None, now=now)
    return _pair(tokens, account, family_id, token, now=now)


async def refresh(db: Database, tokens: Tokens, refresh_token: str, *, now: datetime) -> TokenPair:
    """
    Return the next refresh token and a fresh access token.

    Raises:
        TokenRefused: the token is none of ours, has expired or was exchanged before, or the account
            has changed or gone. In all these cases one has to sign in again.
    """
    claims = tokens.read_refresh(refresh_token, now=now)
    async with db.transaction() as tx:
        outcome = await _exchange(tx, tokens, claims, now=now)
    # Raised only now: that a family was revoked must be committed.
    if isinstance(outcome, TokenRefused):
        raise outcome
    return outcome


async def revoke_family(tx: Transaction, family_id: str, *, reason: str, now: datetime) -> bool:
    """Sign one device out, at once; return whether it was signed in."""
    return await queries.revoke(tx, family_id, reason=reason, now=now) > 0


async def revoke_all(tx: Transaction, user_id: str, *, reason: str, now: datetime) -> int:
    """Sign all devices of an account out, at once; return how many there were."""
    return await queries.revoke_all(tx, user_id, reason=reason, now=now)


async def rebind_to_new_hash(
    tx: Transaction, user_id: str, *, old_hash: Secret, new_hash: Secret
) -> int:
    """
    Keep devices signed in when the same password gets another hash; return how many there were.

    Goes into the transaction that stores the new hash, before it: once that is stored, families
    that were not told of it are over.
    """
    return await queries.rebind_to_new_hash(
        tx, user_id, old_hash=old_hash.reveal(), new_hash=new_hash.reveal()
    )


async def delete_expired_families(tx: Transaction, now: datetime) -> int:
    """
    Delete what no token can refer to any more, some hundred rows of each kind at most.

    Returns how many there were; call again until there are none.
    """
    # The tokens of a family that goes, go with it.
    families = await queries.forget_families(tx, now=now)
    return families + await queries.forget_refresh_tokens(tx, now=now)


# What an exchange consists of.


async def _exchange(
    tx: Transaction, tokens: Tokens, claims: Claims, *, now: datetime
) -> TokenPair | TokenRefused:
    is_live = await queries.lock_family(tx, family_id=claims.fid, user_id=claims.user_id)
    if is_live is None and not await queries.user_exists(tx, claims.user_id):
        return TokenRefused(NO_SUCH_USER)
    if is_live is None:
        return TokenRefused(BAD_REFRESH_TOKEN)
    account = await queries.find_account_of_family(tx, claims.fid)
    if not is_live or account is None:
        return TokenRefused(DEAD_REFRESH_TOKEN)
    token = await queries.find_refresh_token(tx, token_id=claims.jti, family_id=claims.fid)
    following = None
    if token is not None:
        following = await _follow(tx, tokens, token, family_id=claims.fid, now=now)
    if following is None:
        await queries.revoke(tx, claims.fid, reason="a refresh token came back", now=now)
        _log.warning("accounts.refresh_token_came_back", family=claims.fid)
        return TokenRefused(DEAD_REFRESH_TOKEN)
    return _pair(tokens, account, claims.fid, following, now=now)


async def _follow(
    tx: Transaction, tokens: Tokens, token: RefreshToken, *, family_id: str, now: datetime
) -> RefreshToken | None:
    """Return the token that follows, made now or moments ago; None: it came back too late."""
    if token.replaced_at is None:
        await queries.replace(tx, token_id=token.id, now=now)
        await queries.prolong(tx, family_id=family_id, expires_at=now + tokens.refresh_life)
        # A page that is broken may refresh without end: what is older would be kept for a month.
        await queries.forget_older(tx, token_id=token.id, family_id=family_id)
        return await _add_token(tx, tokens, family_id=family_id, parent_id=token.id, now=now)
    if now - token.replaced_at <= GRACE and token.next_id is not None:
        return await queries.find_refresh_token(tx, token_id=token.next_id, family_id=family_id)
    return None


async def _add_token(
    tx: Transaction, tokens: Tokens, *, family_id: str, parent_id: str | None, now: datetime
) -> RefreshToken:
    token = RefreshToken(
        id=new_id(),
        issued_at=now,
        expires_at=now + tokens.refresh_life,
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
        expires_in=int(tokens.access_life.total_seconds()),
    )
