"""An operator erases a customer's personal data."""

from datetime import datetime
from typing import Final

from keyshop.accounts import payment_queries, queries
from keyshop.accounts.addresses import normalise
from keyshop.accounts.email_tokens import queries as email_token_queries
from keyshop.accounts.errors import CustomerHasOpenOrders, UserNotFound
from keyshop.accounts.lockout.failures import (
    counted_under,
    forget_failures,
    forget_failures_of_address,
)
from keyshop.accounts.models import Account
from keyshop.accounts.payment_queries import PaymentTexts
from keyshop.accounts.redact import redact_json, redact_text
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

    The row stays, with its balance: orders and payments refer to it and must be kept, without the
    addresses and names that payment services wrote into them. Signing in to the account is no longer
    possible, and its address is free for a new one.

    Raises:
        UserNotFound: there is no such account, or it was erased before.
        CustomerHasOpenOrders: a unit of an order is open.
    """
    # A sign-in in progress holds this row and waits for those of failures next: the same order here.
    await queries.lock_with_references(tx, user_id)
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    # Orders are placed under the user's lock, so that no unit is added from here on.
    if await payment_queries.has_open_units(tx, user_id):
        raise CustomerHasOpenOrders
    await payment_queries.close_top_ups(tx, user_id, now=now)
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
    await _redact_payments(tx, account)
    await email_token_queries.delete_email_tokens(tx, user_id)
    await session_queries.delete_families(tx, user_id)
    await record(tx, actor=by, action="users.erase", subject=Subject("user", user_id), now=now)


async def _redact_payments(tx: Transaction, account: Account) -> None:
    names = [name.strip() for name in (account.first_name, account.last_name) if name]
    # A single letter is too common to be a name only.
    names = [name for name in names if len(name) > 1]
    before = await payment_queries.lock_payments(tx, account.id)
    after = [
        PaymentTexts(
            payment.id,
            payment.description and redact_text(payment.description, names),
            payment.response and redact_json(payment.response, names),
        )
        for payment in before
    ]
    changed = [new for old, new in zip(before, after, strict=True) if new != old]
    if changed:
        await payment_queries.set_payments(tx, changed)
