"""A customer shows that mails to the account's address are read."""

from datetime import datetime
from typing import Final

from keyshop.accounts import queries
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.errors import EmailTokenRefused
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import EMAIL_TOKENS_PER_CLIENT, MAX_CODE_ATTEMPTS, client_key
from keyshop.accounts.services import AccountServices
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.limits import take

_ATTEMPTS: Final = 3
_WRONG_CODE: Final = "Invalid or expired verification code"
_OVER: Final = "This link is no longer valid. Please ask for a new one."


async def verify_by_code(
    db: Database,
    parts: AccountServices,
    caller: ClientInfo,
    *,
    user_id: str,
    code: str,
    now: datetime,
) -> None:
    """
    Verify the address with the code that was mailed last.

    Raises:
        EmailTokenRefused: it is another code, is over, was used, or too many others were tried before.
        TooMany: this client tries too often.
    """
    await take(db, EMAIL_TOKENS_PER_CLIENT, client_key(caller.address), now=now)

    async def verify(tx: Transaction) -> bool:
        await queries.lock_account(tx, user_id)
        email_token_id = await email_token_queries.count_code_attempt(
            tx, user_id, Purpose.VERIFY_EMAIL, tries=MAX_CODE_ATTEMPTS, now=now
        )
        if email_token_id is None or not parts.email_token_keys.is_code(
            email_token_id, code.strip()
        ):
            return False
        await _verify(tx, user_id, now=now)
        return True

    # Raised only then: that it was tried must be committed.
    if not await db.run(verify, attempts=_ATTEMPTS):
        raise EmailTokenRefused(_WRONG_CODE)


async def verify_by_token(
    db: Database, parts: AccountServices, caller: ClientInfo, *, token: str, now: datetime
) -> None:
    """
    Verify the address with a link that was mailed; following it again changes nothing.

    Raises:
        EmailTokenRefused: the link is none of ours, is over, or is for another address.
        TooMany: this client tries too often.
    """
    email_token_id = parts.email_token_keys.find_email_token_id(Purpose.VERIFY_EMAIL, token)
    if email_token_id is None:
        raise EmailTokenRefused(_OVER)
    # Only now: what is none of ours costs no more than a look at its signature.
    await take(db, EMAIL_TOKENS_PER_CLIENT, client_key(caller.address), now=now)

    async def verify(tx: Transaction) -> None:
        await _verify_by_email_token(tx, email_token_id, now=now)

    await db.run(verify, attempts=_ATTEMPTS)


async def _verify_by_email_token(tx: Transaction, email_token_id: str, *, now: datetime) -> None:
    owner_id = await email_token_queries.find_owner(tx, email_token_id, Purpose.VERIFY_EMAIL)
    if owner_id is None or await queries.lock_account(tx, owner_id) is None:
        raise EmailTokenRefused(_OVER)
    user_id = await email_token_queries.use_email_token(
        tx, email_token_id, Purpose.VERIFY_EMAIL, now=now
    )
    if user_id is not None:
        await _verify(tx, user_id, now=now)
    # Programs that look at mails before people do follow links, too.
    elif not await email_token_queries.has_verified(tx, email_token_id):
        raise EmailTokenRefused(_OVER)


async def _verify(tx: Transaction, user_id: str, *, now: datetime) -> None:
    await email_token_queries.invalidate_email_tokens(tx, user_id, Purpose.VERIFY_EMAIL, now=now)
    await queries.mark_email_verified(tx, user_id, now=now)
