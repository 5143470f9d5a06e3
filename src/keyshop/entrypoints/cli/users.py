"""`keyshop users ...`: customers and administrators."""

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer

from keyshop.accounts.addresses import displayed
from keyshop.accounts.create_user import create_user, generate_password
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.export_user import export_user
from keyshop.accounts.get_account import get_account
from keyshop.accounts.models import Account, NewUser, Role
from keyshop.accounts.revoke_sessions import revoke_sessions
from keyshop.accounts.rules import check_password
from keyshop.accounts.set_role import set_role
from keyshop.accounts.show_user import UserReport, show_user
from keyshop.accounts.unlock_user import unlock_user
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json
from keyshop.entrypoints.cli.print_user import print_user
from keyshop.entrypoints.cli.private_file import new_private_file
from keyshop.entrypoints.cli.session import database, shop
from keyshop.kit.clock import utc_now
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import Invalid

app = typer.Typer(no_args_is_help=True)

EmailOrId = Annotated[
    str, typer.Argument(metavar="EMAIL|ID", help="The account's e-mail address or id.")
]

_Result = TypeVar("_Result")

_MAX_ATTEMPTS: Final = 3


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The new account's address.")],
    admin: Annotated[bool, typer.Option("--admin", help="Create an administrator.")] = False,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin", help="Read the password from standard input; do not generate one."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create an account. A generated password is printed once."""
    given = _read_password() if password_stdin else None
    password = given or generate_password()
    # Before the shop is opened, which takes time and needs a database.
    check_password(password)
    role = Role.ADMIN if admin else Role.USER
    account = run_fast(_create(NewUser(email=email, password=password, role=role)))
    if as_json:
        generated = {} if given else {"password": password}
        print_json(
            {"id": account.id, "email": displayed(account.email), "role": account.role, **generated}
        )
        return
    typer.echo(f"Created {displayed(account.email)} ({account.role}), id {account.id}.")
    if not given:
        typer.echo(f"Password, shown only now: {password}")


@app.command()
def show(email_or_id: EmailOrId, as_json: AsJson = False) -> None:
    """Show an account: its devices, sign-ins and lock, and what operators did to it."""
    report = run_fast(_show(email_or_id))
    if as_json:
        print_json(report)
    else:
        print_user(report)


@app.command()
def role(
    email_or_id: EmailOrId,
    new_role: Annotated[Role, typer.Argument(metavar="USER|ADMIN", case_sensitive=False)],
    as_json: AsJson = False,
) -> None:
    """Change the role of an account, and sign it out on all devices."""
    user_id, changed = run_fast(_change(email_or_id, partial(set_role, role=new_role)))
    if as_json:
        print_json({"id": user_id, "role": new_role, "changed": changed})
    elif changed:
        typer.echo(f"Account {user_id} is now {new_role}, and signed out on all devices.")
    else:
        typer.echo(f"Account {user_id} is {new_role} already; nothing was changed.")


@app.command()
def revoke(email_or_id: EmailOrId, as_json: AsJson = False) -> None:
    """Sign an account out on all devices, and invalidate its password reset links."""
    user_id, devices = run_fast(_change(email_or_id, revoke_sessions))
    if as_json:
        print_json({"id": user_id, "revoked": devices})
    else:
        typer.echo(f"Account {user_id} was signed out; devices: {devices}.")


@app.command()
def unlock(email_or_id: EmailOrId, as_json: AsJson = False) -> None:
    """Unlock an account that wrong passwords have locked."""
    user_id, unlocked = run_fast(_change(email_or_id, unlock_user))
    if as_json:
        print_json({"id": user_id, "unlocked": unlocked})
    elif unlocked:
        typer.echo(f"Account {user_id} is unlocked; its wrong passwords are forgotten.")
    else:
        typer.echo(f"Account {user_id} had no wrong passwords; nothing was changed.")


@app.command()
def export(
    email_or_id: EmailOrId,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write to a new file, not standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export all data about one customer as a JSON document."""
    if output is None:
        _, document = run_fast(_export(email_or_id))
        typer.echo(document.decode())
        return
    # Created first: the journal must not record an export that cannot be written.
    with new_private_file(output) as file:
        user_id, document = run_fast(_export(email_or_id))
        file.write(document + b"\n")
    if as_json:
        print_json({"id": user_id, "file": str(output)})
    else:
        typer.echo(f"Wrote all data about account {user_id} to {output}.")


@app.command()
def erase(
    email_or_id: EmailOrId,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm; this cannot be undone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase the personal data of a customer; orders and payments stay as they are."""
    if not yes:
        raise Invalid(
            f"Erasing {email_or_id} cannot be undone. `keyshop users export {email_or_id}` shows"
            " its data; add --yes to erase it."
        )
    user_id, _ = run_fast(_change(email_or_id, erase_user))
    if as_json:
        print_json({"id": user_id, "erased": True})
    else:
        typer.echo(
            f"Account {user_id} was erased; its orders and payments stay, without addresses and"
            " names."
        )


async def _create(user: NewUser) -> Account:
    async with shop() as parts:
        return await create_user(
            parts.db, parts.accounts.passwords, user, by=get_os_user(), now=utc_now()
        )


async def _show(email_or_id: str) -> UserReport:
    async with database() as db, db.read() as reader:
        return await show_user(reader, await get_account(reader, email_or_id), now=utc_now())


async def _export(email_or_id: str) -> tuple[str, bytes]:
    user_id, document = await _change(email_or_id, export_user)
    return user_id, msgspec.json.format(msgspec.json.encode(document), indent=2)


async def _change(
    email_or_id: str, change: Callable[..., Awaitable[_Result]]
) -> tuple[str, _Result]:
    """Change the account in one transaction; return its id and what `change` returns."""

    async def find_and_change(tx: Transaction) -> tuple[str, _Result]:
        account = await get_account(tx, email_or_id)
        try:
            result = await change(tx, user_id=account.id, by=get_os_user(), now=utc_now())
        except UserNotFound:
            # Erased accounts keep their rows.
            raise UserNotFound(email_or_id) from None
        return account.id, result

    async with shop() as parts:
        # Again when it collides with what the account's owner does.
        return await parts.db.run(find_and_change, attempts=_MAX_ATTEMPTS)


def _read_password() -> str:
    """Read one line; an argument would be visible in the machine's list of processes."""
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return given
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise Invalid("--password-stdin: standard input holds no password.")
    return given
