"""What an operator sees of one account."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.lockout.failures import find_lock
from keyshop.accounts.models import Account, Role
from keyshop.accounts.queries import SignInRow, list_sign_ins
from keyshop.accounts.sessions.queries import FamilyRow, list_families
from keyshop.entrypoints.cli.output import print_record, print_table
from keyshop.journal.models import Entry, Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.transaction import Reader

_SIGN_INS: Final = 20


class Shown(Struct, frozen=True, kw_only=True):
    """An account with what happened to it."""

    id: str
    email: str
    nickname: str
    first_name: str | None
    last_name: str | None
    role: Role
    email_verified: bool
    created_at: datetime
    wrong_passwords: int
    locked_until: datetime | None
    """None: it can sign in."""

    devices: list[FamilyRow]
    sign_ins: list[SignInRow]
    journal: list[Entry]


async def read_user(reader: Reader, account: Account, *, now: datetime) -> Shown:
    """Return the account with its devices, lock, sign-ins and journal, the newest first."""
    lock = await find_lock(reader, account.email)
    until = lock.locked_until if lock else None
    return Shown(
        id=account.id,
        email=account.email,
        nickname=account.nickname,
        first_name=account.first_name,
        last_name=account.last_name,
        role=account.role,
        email_verified=account.email_verified,
        created_at=account.created_at,
        wrong_passwords=lock.failures if lock else 0,
        locked_until=until if until is not None and until > now else None,
        devices=await list_families(reader, account.id),
        sign_ins=await list_sign_ins(reader, account.id, limit=_SIGN_INS),
        journal=await list_entries(reader, Subject("user", account.id)),
    )


def print_user(shown: Shown) -> None:
    """Print the account as tables."""
    print_record(
        f"Account {shown.email}",
        [
            ("id", shown.id),
            ("role", shown.role),
            ("nickname", shown.nickname),
            ("first name", shown.first_name),
            ("last name", shown.last_name),
            ("address proven", "yes" if shown.email_verified else "no"),
            ("since", shown.created_at),
            ("wrong passwords in a row", shown.wrong_passwords),
            ("locked until", shown.locked_until),
        ],
    )
    print_table(
        "Devices",
        ("signed in (UTC)", "lasts until (UTC)", "ended (UTC)", "reason"),
        [
            (_time(row.created_at), _time(row.expires_at), _time(row.revoked_at),
             row.revoked_reason)
            for row in shown.devices
        ],
    )  # fmt: skip
    print_table(
        f"Newest {_SIGN_INS} sign-ins",
        ("at (UTC)", "password", "from", "with"),
        [
            (_time(row.happened_at), "right" if row.success else "wrong", row.address,
             row.user_agent)
            for row in shown.sign_ins
        ],
    )  # fmt: skip
    print_table(
        "Journal",
        ("at (UTC)", "who", "what", "details"),
        [(_time(e.happened_at), e.actor, e.action, _details(e)) for e in shown.journal],
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%F %T}"


def _details(entry: Entry) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entry.details.items())
