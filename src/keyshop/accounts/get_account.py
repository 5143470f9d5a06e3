"""An operator names an account by its e-mail address or its id."""

from keyshop.accounts.addresses import NormalAddress, normalise
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Account
from keyshop.accounts.queries import find_account, find_account_by_id
from keyshop.kit.database.transaction import Reader


async def get_account(reader: Reader, email_or_id: str) -> Account:
    """
    Return the account with this address, in any spelling, or with this id.

    Raises:
        UserNotFound: there is no such account.
    """
    find = _find_by_email if "@" in email_or_id else find_account_by_id
    account = await find(reader, email_or_id)
    if account is None:
        raise UserNotFound(email_or_id)
    return account


async def _find_by_email(reader: Reader, email: str) -> Account | None:
    # The stored address first, as `show` prints it: normalised again, it may be another account's.
    exact = await find_account(reader, NormalAddress(email.strip()))
    return exact or await find_account(reader, normalise(email))
