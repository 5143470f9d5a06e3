"""An operator looks at one account."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.addresses import displayed
from keyshop.accounts.lockout.failures import find_lock
from keyshop.accounts.models import Account
from keyshop.accounts.queries import SignInAttempt, list_sign_ins
from keyshop.accounts.sessions.queries import TokenFamily, list_families
from keyshop.journal.models import Entry, Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.transaction import Reader

MAX_SIGN_INS: Final = 20


class UserReport(Struct, frozen=True, kw_only=True):
    """An account, its lock, and its history; lists begin with the newest."""

    id: str
    email: str
    nickname: str
    first_name: str | None
    last_name: str | None
    role: str
    email_verified: bool
    created_at: datetime
    wrong_passwords: int
    """In a row."""

    locked_until: datetime | None
    """None: the account is not locked."""

    devices: list[TokenFamily]
    sign_ins: list[SignInAttempt]
    journal: list[Entry]


async def show_user(reader: Reader, account: Account, *, now: datetime) -> UserReport:
    lock = await find_lock(reader, account)
    locked_until = lock.locked_until if lock else None
    return UserReport(
        id=account.id,
        email=displayed(account.email),
        nickname=account.nickname,
        first_name=account.first_name,
        last_name=account.last_name,
        role=account.role,
        email_verified=account.email_verified,
        created_at=account.created_at,
        wrong_passwords=lock.failures if lock else 0,
        locked_until=locked_until if locked_until and locked_until > now else None,
        devices=await list_families(reader, account.id),
        sign_ins=await list_sign_ins(reader, account.id, limit=MAX_SIGN_INS),
        journal=await list_entries(reader, Subject("user", account.id)),
    )
