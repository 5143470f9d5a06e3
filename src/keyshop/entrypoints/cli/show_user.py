"""The report that an operator reads about one account."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.accounts.lockout.failures import find_lock
from keyshop.accounts.models import Account, Role
from keyshop.accounts.queries import SignInAttempt, list_sign_ins
from keyshop.accounts.sessions.queries import TokenFamily, list_families
from keyshop.entrypoints.cli.output import print_record, print_table
from keyshop.journal.models import Entry, Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.transaction import Reader

_MAX_SIGN_INS: Final = 20


class UserReport(Struct, frozen=True, kw_only=True):
    """An account, its lock, and its history."""

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
    """None: the account is not locked."""

    devices: list[TokenFamily]
    sign_ins: list[SignInAttempt]
    journal: list[Entry]


async def read_user_report(reader: Reader, account: Account, *, now: datetime) -> UserReport:
    """Return the account with its lock, and its devices, sign-ins and journal, the newest first."""
    lock = await find_lock(reader, account.email)
    locked_until = lock.locked_until if lock else None
    return UserReport(
        id=account.id,
        email=account.email,
        nickname=account.nickname,
        first_name=account.first_name,
        last_name=account.last_name,
        role=account.role,
        email_verified=account.email_verified,
        created_at=account.created_at,
        wrong_passwords=lock.failures if lock else 0,
        locked_until=locked_until if locked_until and locked_until > now else None,
        devices=await list_families(reader, account.id),
        sign_ins=await list_sign_ins(reader, account.id, limit=_MAX_SIGN_INS),
        journal=await list_entries(reader, Subject("user", account.id)),
    )


def print_user_report(report: UserReport) -> None:
    print_record(
        f"Account {report.email}",
        [
            ("id", report.id),
            ("role", report.role),
            ("nickname", report.nickname),
            ("first name", report.first_name),
            ("last name", report.last_name),
            ("address verified", "yes" if report.email_verified else "no"),
            ("created", report.created_at),
            ("wrong passwords in a row", report.wrong_passwords),
            ("locked until", report.locked_until),
        ],
    )
    print_table(
        "Devices",
        ("signed in (UTC)", "expires (UTC)", "ended (UTC)", "reason"),
        [
            (_time(row.created_at), _time(row.expires_at), _time(row.revoked_at),
             row.revoked_reason)
            for row in report.devices
        ],
    )  # fmt: skip
    print_table(
        f"Newest {_MAX_SIGN_INS} sign-ins",
        ("time (UTC)", "password", "address", "program"),
        [
            (_time(row.happened_at), "right" if row.success else "wrong", row.address,
             row.user_agent)
            for row in report.sign_ins
        ],
    )  # fmt: skip
    print_table(
        "Journal",
        ("time (UTC)", "operator", "action", "details"),
        [(_time(e.happened_at), e.actor, e.action, _details(e)) for e in report.journal],
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%F %T}"


def _details(entry: Entry) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entry.details.items())
