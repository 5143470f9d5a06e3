"""A customer sets a new password with a mailed link."""

from datetime import datetime
from typing import Final

import structlog

from keyshop.accounts import queries
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import EmailTokenRefused
from keyshop.accounts.lockout.failures import forget_failures
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import EMAIL_TOKENS_PER_CLIENT, check_password, client_key
from keyshop.accounts.sessions.families import revoke_all
from keyshop.kit.client_limits import take_for_client
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_MAX_ATTEMPTS: Final = 3

_log = structlog.get_logger(__name__)


async def reset_password(
    db: Database,
    services: AccountServices,
    *,
    token: str,
    new_password: str,
    client_info: ClientInfo,
    now: datetime,
) -> None:
    """
    Set the password with a mailed link, which works once, and sign out all devices.

    The address becomes verified and is no longer locked, because its owner has just read a mail.

    Raises:
        AccountInvalid: the new password breaks a rule; the link stays valid.
        EmailTokenRefused: the link is not valid, has expired, or was used.
        PasswordsBusy: too many passwords are being hashed; the link stays valid.
        TooMany: too many attempts by this client; the link stays valid.
    """
    check_password(new_password)
    email_token_id = services.email_token_keys.find_email_token_id(Purpose.RESET_PASSWORD, token)
    if email_token_id is None:
        raise EmailTokenRefused
    client = client_key(client_info.address)
    # After the signature check, which needs no database: a forged link costs no more than that.
    await take_for_client(db, EMAIL_TOKENS_PER_CLIENT, client, now=now)
    # Before the hashing, which an expired link must not cause.
    if not await _is_live(db, email_token_id, now=now):
        raise EmailTokenRefused
    password_hash = await services.passwords.hash(new_password, client=client)

    async def reset(tx: Transaction) -> str:
        return await _reset(tx, email_token_id, password_hash, now=now)

    user_id = await db.run(reset, attempts=_MAX_ATTEMPTS)
    _log.info("account.password_reset", user_id=user_id)


async def _is_live(db: Database, email_token_id: str, *, now: datetime) -> bool:
    async with db.read() as reader:
        return await email_token_queries.is_live(
            reader, email_token_id, Purpose.RESET_PASSWORD, now=now
        )


async def _reset(tx: Transaction, email_token_id: str, password_hash: str, *, now: datetime) -> str:
    owner_id = await email_token_queries.find_owner(tx, email_token_id, Purpose.RESET_PASSWORD)
    if owner_id is None or await queries.lock_account(tx, owner_id) is None:
        raise EmailTokenRefused
    user_id = await email_token_queries.use_email_token(
        tx, email_token_id, Purpose.RESET_PASSWORD, now=now
    )
    if user_id is None:
        raise EmailTokenRefused
    await revoke_all(tx, user_id, reason="password reset", now=now)
    account = await queries.set_password(tx, user_id, password_hash, now=now)
    if account is None:
        raise EmailTokenRefused
    await email_token_queries.invalidate_email_tokens(tx, user_id, Purpose.RESET_PASSWORD, now=now)
    await queries.mark_email_verified(tx, user_id, now=now)
    await forget_failures(tx, account)
    return user_id
