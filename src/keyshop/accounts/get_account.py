"""An operator names an account by its e-mail address or its id."""

from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.models import Account
from keyshop.accounts.queries import find_account_by_id, find_account_by_spellings
from keyshop.kit.database.transaction import Reader


async def get_account(reader: Reader, email_or_id: str) -> Account:
    """
    Return the account with this address, in any spelling, or with this id.

    Raises:
        UserNotFound: there is no such account.
    """
    find = find_account_by_spellings if "@" in email_or_id else find_account_by_id
    account = await find(reader, email_or_id)
    if account is None:
        raise UserNotFound(email_or_id)
    return account
