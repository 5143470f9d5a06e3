"""Somebody who was mailed a link sets another password."""

from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts import queries
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import EmailTokenRefused
from keyshop.accounts.lockout.failures import forget_failures
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import EMAIL_TOKENS_PER_CLIENT, check_password, client_key
from keyshop.accounts.services import AccountServices
from keyshop.accounts.sessions.families import revoke_all
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.limits import take

_ATTEMPTS: Final = 3
_OVER: Final = "This link is no longer valid. Please ask for a new one."

_log = structlog.get_logger(__name__)


async def reset_password(
    db: Database,
    parts: AccountServices,
    *,
    token: str,
    new_password: str,
    caller: ClientInfo,
    now: datetime,
) -> None:
    """
    Set the password of whoever has the mailed link, once; all devices are signed out.

    The address counts as verified and is no longer locked: its owner has just read a mail.

    Raises:
        AccountInvalid: the new password cannot be taken; the link stays good.
        EmailTokenRefused: the link is none of ours, is over, or was used.
        PasswordsBusy: too many people are signing in; the link stays good.
        TooMany: this client tries too often, or too many at once; the link stays good.
    """
    check_password(new_password)
    email_token_id = parts.email_token_keys.find_email_token_id(Purpose.RESET_PASSWORD, token)
    if email_token_id is None:
        raise EmailTokenRefused(_OVER)
    client = client_key(caller.address)
    # Only now: what is none of ours costs no more than a look at its signature.
    await take(db, EMAIL_TOKENS_PER_CLIENT, client, now=now)
    if not await _is_live(db, email_token_id, now=now):
        raise EmailTokenRefused(_OVER)
    hashed = await parts.passwords.hash(new_password, limit_key=client)

    async def reset(tx: Transaction) -> str:
        return await _reset(tx, email_token_id, hashed, now=now)

    user_id = await db.run(reset, attempts=_ATTEMPTS)
    _log.info("account.password_reset", user_id=user_id)


async def _is_live(db: Database, email_token_id: str, *, now: datetime) -> bool:
    """Look first: nobody makes the shop hash passwords for a link that is over."""
    async with db.read() as reader:
        return await email_token_queries.is_live(
            reader, email_token_id, Purpose.RESET_PASSWORD, now=now
        )


async def _reset(tx: Transaction, email_token_id: str, hashed: str, *, now: datetime) -> str:
    owner_id = await email_token_queries.find_owner(tx, email_token_id, Purpose.RESET_PASSWORD)
    if owner_id is None or await queries.lock_account(tx, owner_id) is None:
        raise EmailTokenRefused(_OVER)
    user_id = await email_token_queries.use_email_token(
        tx, email_token_id, Purpose.RESET_PASSWORD, now=now
    )
    if user_id is None:
        raise EmailTokenRefused(_OVER)
    await revoke_all(tx, user_id, reason="password reset", now=now)
    account = await queries.set_password(tx, user_id, hashed, now=now)
    if account is None:
        raise EmailTokenRefused(_OVER)
    await email_token_queries.invalidate_email_tokens(tx, user_id, Purpose.RESET_PASSWORD, now=now)
    await queries.mark_email_verified(tx, user_id, now=now)
    await forget_failures(tx, account.email)
    return user_id
