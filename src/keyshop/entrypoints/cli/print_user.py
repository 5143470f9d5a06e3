"""Print what an operator sees of one account."""

from datetime import datetime

from keyshop.accounts.show_user import MAX_SIGN_INS, UserReport
from keyshop.entrypoints.cli.output import print_record, print_table
from keyshop.journal.models import Entry


def print_user(user: UserReport) -> None:
    _print_account(user)
    print_table(
        "Devices",
        ("signed in (UTC)", "expires (UTC)", "ended (UTC)", "reason"),
        [
            (_time(each.created_at), _time(each.expires_at), _time(each.revoked_at),
             each.revoked_reason)
            for each in user.devices
        ],
    )  # fmt: skip
    print_table(
        f"Newest {MAX_SIGN_INS} sign-ins",
        ("time (UTC)", "password", "address", "program"),
        [
            (_time(each.happened_at), "right" if each.success else "wrong", each.address,
             each.user_agent)
            for each in user.sign_ins
        ],
    )  # fmt: skip
    print_table(
        "Journal",
        ("time (UTC)", "operator", "action", "details"),
        [
            (_time(each.happened_at), each.actor, each.action, _details(each))
            for each in user.journal
        ],
    )


def _print_account(user: UserReport) -> None:
    print_record(
        f"Account {user.email}",
        [
            ("id", user.id),
            ("role", user.role),
            ("nickname", user.nickname),
            ("first name", user.first_name),
            ("last name", user.last_name),
            ("address verified", "yes" if user.email_verified else "no"),
            ("created", user.created_at),
            ("wrong passwords in a row", user.wrong_passwords),
            ("locked until", user.locked_until),
        ],
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%F %T}"


def _details(entry: Entry) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entry.details.items())
