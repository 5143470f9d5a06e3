"""An operator creates an account."""

import re
import secrets
import string
from datetime import datetime
from typing import Final

from keyshop.accounts import queries
from keyshop.accounts.addresses import NormalAddress, parse_new_email
from keyshop.accounts.errors import EmailTaken
from keyshop.accounts.models import Account, NewUser, Role
from keyshop.accounts.passwords import PasswordPool
from keyshop.accounts.rules import DEFAULT_NICKNAME, check_password
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_PASSWORD_LENGTH: Final = 20
_LETTERS_AND_DIGITS: Final = string.ascii_letters + string.digits
_has_all_kinds: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).*").fullmatch


async def create_user(
    db: Database, passwords: PasswordPool, user: NewUser, *, by: str, now: datetime
) -> Account:
    """
    Create an account whose address counts as verified; no mail is sent.

    Raises:
        AccountInvalid: the address or the password is not acceptable.
        EmailTaken: the address, in any of its spellings, has an account.
        PasswordsBusy: too many passwords are being hashed.
    """
    check_password(user.password)
    email = parse_new_email(user.email)
    # Before the transaction, which would hold its connection for as long as the hashing takes.
    password_hash = await passwords.hash(user.password)
    async with db.transaction() as tx:
        if await queries.find_account_by_spellings(tx, user.email) is not None:
            raise EmailTaken
        account = await _add(tx, email, password_hash, role=user.role, now=now)
        await record(
            tx,
            actor=by,
            action="users.create",
            subject=Subject("user", account.id),
            details={"role": user.role},
            now=now,
        )
    return account


async def _add(
    tx: Transaction, email: NormalAddress, password_hash: str, *, role: Role, now: datetime
) -> Account:
    account = await queries.add_account(
        tx,
        email=email,
        password_hash=password_hash,
        nickname=DEFAULT_NICKNAME,
        role=role,
        verified=True,
        now=now,
    )
    if account is None:
        raise EmailTaken
    return account


def generate_password() -> str:
    """Return a random password that `check_password` accepts."""
    while True:
        password = "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(_PASSWORD_LENGTH))
        if _has_all_kinds(password):
            return password
