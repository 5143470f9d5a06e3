"""A customer wants to be forgotten."""

from datetime import datetime
from typing import Final

from keyshop.accounts import queries
from keyshop.accounts.addresses import normalise
from keyshop.accounts.email_tokens import queries as proof_queries
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.lockout.failures import forget_failures
from keyshop.accounts.rules import ERASED_DOMAIN, LIMITS_BY_ADDRESS
from keyshop.accounts.sessions import queries as token_queries
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.limits import delete_limits

_NO_PASSWORD: Final = "!"  # noqa: S105 - the hash of no password
_NO_NAME: Final = "Erased customer"


async def erase_user(tx: Transaction, *, user_id: str, now: datetime) -> None:
    """
    Replace what is personal in the account, and delete what only its owner needed.

    The row stays, with its balance: orders and payments, which must be kept, belong to it, and what
    payment services wrote into those stays as it is. Nobody can sign in to the account any more,
    and its address is free for a new one.

    Raises:
        UserNotFound: there is no such account, or it is erased already.
    """
    # An attempt to sign in that is under way holds this row, and wants those of failures after it.
    await queries.hold_alone(tx, user_id)
    account = await queries.lock_account(tx, user_id)
    if account is None:
        raise UserNotFound
    await forget_failures(tx, account.email)
    # A digest tells whoever knows an address that it was in use here.
    for written in (account.email, normalise(account.email)):
        await delete_limits(tx, written, *LIMITS_BY_ADDRESS)
    # Not made from the user's id, which others may know: nobody can take the address before.
    placeholder = f"erased-{new_id()}{ERASED_DOMAIN}"
    await queries.erase(
        tx, user_id, email=placeholder, password_hash=_NO_PASSWORD, nickname=_NO_NAME, now=now
    )
    await proof_queries.delete_proofs(tx, user_id)
    await token_queries.delete_families(tx, user_id)
