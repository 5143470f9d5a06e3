"""An operator makes an account."""

from datetime import datetime

from keyshop.accounts import queries
from keyshop.accounts.addresses import parse_new_email
from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.models import Account, Role
from keyshop.accounts.rules import DEFAULT_NICKNAME, checked_nickname
from keyshop.kit.database.transaction import Transaction


async def create_user(
    tx: Transaction,
    *,
    email: str,
    password_hash: str,
    role: str = Role.USER,
    nickname: str | None = None,
    now: datetime,
) -> Account:
    """
    Make an account whose address counts as verified; nobody is written to.

    The password was checked (`rules.check_password`) and hashed before.

    Raises:
        AccountInvalid: address or nickname cannot be taken.
        EmailTaken: the address has an account.
    """
    address = parse_new_email(email)
    if await queries.find_account_as_written(tx, email) is not None:
        raise EmailTaken
    account = await queries.add_account(
        tx,
        email=address,
        password_hash=password_hash,
        nickname=checked_nickname(nickname or DEFAULT_NICKNAME),
        role=Role(role),
        verified=True,
        now=now,
    )
    if account is None:
        raise EmailTaken
    return account
