"""An operator erases a customer's personal data."""

from datetime import datetime
from typing import Final

from keyshop.accounts import queries
from keyshop.accounts.addresses import normalise
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.lockout.failures import (
    counted_under,
    forget_failures,
    forget_failures_of_address,
)
from keyshop.accounts.rules import ERASED_DOMAIN, LIMITS_PER_ADDRESS
from keyshop.accounts.sessions import queries as session_queries
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.limits import delete_limits

_NO_PASSWORD: Final = "!"  # noqa: S105 - no password has this hash
_NO_NAME: Final = "Erased customer"


async def erase_user(tx: Transaction, *, user_id: str, by: str, now: datetime) -> None:
    """
    Replace the personal data of the account, and delete what only its owner needed.

    The row stays, with its balance: orders and payments refer to it and must be kept, and what
    payment services wrote into them stays as it is. Signing in to the account is no longer possible,
    and its address is free for a new one.

    Raises:
        UserNotFound: there is no such account, or it was erased before.
    """
    # A sign-in in progress holds this row and waits for those of failures next: the same order here.
    await queries.lock_with_references(tx, user_id)
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    await forget_failures(tx, account)
    # A digest that stays would confirm to a person who knows the address that it was in use here.
    for email in (account.email, normalise(account.email)):
        await forget_failures_of_address(tx, email)
        await delete_limits(tx, email, *LIMITS_PER_ADDRESS)
    await delete_limits(tx, counted_under(account.id, account.email), *LIMITS_PER_ADDRESS)
    # Random, because others may know the user's id and could register the address before.
    placeholder = f"erased-{new_id()}{ERASED_DOMAIN}"
    await queries.replace_personal_data(
        tx, user_id, email=placeholder, password_hash=_NO_PASSWORD, nickname=_NO_NAME, now=now
    )
    await email_token_queries.delete_email_tokens(tx, user_id)
    await session_queries.delete_families(tx, user_id)
    await record(tx, actor=by, action="users.erase", subject=Subject("user", user_id), now=now)
