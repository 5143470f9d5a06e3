"""A customer verifies the account's address with a mailed code or link."""

from datetime import datetime
from typing import Final

from keyshop.accounts import queries
from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import EmailTokenRefused
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import EMAIL_TOKENS_PER_CLIENT, MAX_CODE_ATTEMPTS, client_key
from keyshop.kit.client_limits import take_for_client
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_MAX_ATTEMPTS: Final = 3
_WRONG_CODE: Final = "Invalid or expired verification code"


async def verify_by_code(
    db: Database,
    services: AccountServices,
    client_info: ClientInfo,
    *,
    user_id: str,
    code: str,
    now: datetime,
) -> None:
    """
    Verify the address with the code that was mailed last.

    Raises:
        EmailTokenRefused: the code is wrong, has expired, was used, or had too many attempts.
        TooMany: this client tries too often.
    """
    await take_for_client(db, EMAIL_TOKENS_PER_CLIENT, client_key(client_info.address), now=now)

    async def verify(tx: Transaction) -> bool:
        await queries.lock_account(tx, user_id)
        email_token_id = await email_token_queries.count_code_attempt(
            tx, user_id, Purpose.VERIFY_EMAIL, max_attempts=MAX_CODE_ATTEMPTS, now=now
        )
        if email_token_id is None:
            return False
        if not services.email_token_keys.is_code(email_token_id, code.strip()):
            return False
        await _verify(tx, user_id, now=now)
        return True

    # Raised outside the transaction, which must commit the attempt that it counted.
    if not await db.run(verify, attempts=_MAX_ATTEMPTS):
        raise EmailTokenRefused(_WRONG_CODE)


async def verify_by_token(
    db: Database, services: AccountServices, client_info: ClientInfo, *, token: str, now: datetime
) -> None:
    """
    Verify the address with a mailed link; following it again changes nothing.

    Raises:
        EmailTokenRefused: the link is not valid, has expired, or is for another address.
        TooMany: this client tries too often.
    """
    email_token_id = services.email_token_keys.find_email_token_id(Purpose.VERIFY_EMAIL, token)
    if email_token_id is None:
        raise EmailTokenRefused
    # After the signature check, which needs no database: a forged link costs no more than that.
    await take_for_client(db, EMAIL_TOKENS_PER_CLIENT, client_key(client_info.address), now=now)

    async def verify(tx: Transaction) -> None:
        await _verify_by_email_token(tx, email_token_id, now=now)

    await db.run(verify, attempts=_MAX_ATTEMPTS)


async def _verify_by_email_token(tx: Transaction, email_token_id: str, *, now: datetime) -> None:
    owner_id = await email_token_queries.find_owner(tx, email_token_id, Purpose.VERIFY_EMAIL)
    if owner_id is None or await queries.lock_account(tx, owner_id) is None:
        raise EmailTokenRefused
    user_id = await email_token_queries.use_email_token(
        tx, email_token_id, Purpose.VERIFY_EMAIL, now=now
    )
    if user_id is not None:
        await _verify(tx, user_id, now=now)
    # Mail scanners follow a link before its reader does, so a used one is accepted.
    elif not await email_token_queries.has_verified(tx, email_token_id):
        raise EmailTokenRefused


async def _verify(tx: Transaction, user_id: str, *, now: datetime) -> None:
    await email_token_queries.invalidate_email_tokens(tx, user_id, Purpose.VERIFY_EMAIL, now=now)
    await queries.mark_email_verified(tx, user_id, now=now)
