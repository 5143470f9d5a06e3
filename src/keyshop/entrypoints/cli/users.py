"""`keyshop users ...`: customers, and those who run the shop."""

import re
import secrets
import string
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer

from keyshop.accounts.addresses import NormalAddress, normalise
from keyshop.accounts.create_user import create_user
from keyshop.accounts.email_tokens.queries import invalidate_email_tokens
from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.export_user import export_user
from keyshop.accounts.lockout import failures as locks
from keyshop.accounts.models import Account, Role
from keyshop.accounts.queries import find_account, find_account_by_id, lock_account
from keyshop.accounts.rules import check_password
from keyshop.accounts.sessions import families
from keyshop.accounts.set_role import set_role
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json
from keyshop.entrypoints.cli.private_file import new_private_file
from keyshop.entrypoints.cli.session import database, shop
from keyshop.entrypoints.cli.show_user import Shown, print_user, read_user
from keyshop.journal.models import Details, Subject
from keyshop.journal.record import record
from keyshop.kit.clock import utc_now
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.errors import Invalid, NotFound

app = typer.Typer(no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="EMAIL|ID", help="The account.")]

_Result = TypeVar("_Result")

_ATTEMPTS: Final = 3
_LETTERS: Final = string.ascii_letters + string.digits
_LENGTH: Final = 20
_has_all_kinds: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).*").fullmatch


class AccountNotFound(NotFound):
    """No account has this address or id."""

    def __init__(self, who: str) -> None:
        super().__init__(f"No account has the address or id {who!r}.")


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The new account's address.")],
    admin: Annotated[bool, typer.Option("--admin", help="It runs the shop.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password instead of making one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an account; its password is made too, and printed this once."""
    given = _read_password() if password_stdin else None
    password = given or _make_password()
    check_password(password)
    account = run_fast(_create(email, password, Role.ADMIN if admin else Role.USER))
    if as_json:
        told = {} if given else {"password": password}
        print_json({"id": account.id, "email": account.email, "role": account.role, **told})
        return
    typer.echo(f"Created {account.email} ({account.role}), id {account.id}.")
    if not given:
        typer.echo(f"Password, shown only now: {password}")


@app.command()
def show(who: Who, as_json: AsJson = False) -> None:
    """Show an account: its devices, sign-ins, lock, and what operators did to it."""
    found = run_fast(_show(who))
    if as_json:
        print_json(found)
    else:
        print_user(found)


@app.command()
def role(
    who: Who,
    wanted: Annotated[Role, typer.Argument(metavar="USER|ADMIN", case_sensitive=False)],
    as_json: AsJson = False,
) -> None:
    """Make an account a customer's or an administrator's, and sign it out everywhere."""
    user_id, changed = run_fast(_set_role(who, wanted))
    if as_json:
        print_json({"id": user_id, "role": wanted, "changed": changed})
    elif changed:
        typer.echo(f"Account {user_id} is {wanted} now, and signed out everywhere.")
    else:
        typer.echo(f"Account {user_id} is {wanted} already; nothing was changed.")


@app.command()
def revoke(who: Who, as_json: AsJson = False) -> None:
    """Sign an account out on all devices at once, and end the links mailed for a password."""
    user_id, ended = run_fast(_revoke(who))
    if as_json:
        print_json({"id": user_id, "revoked": ended})
    else:
        typer.echo(f"Account {user_id} was signed out; devices: {ended}.")


@app.command()
def unlock(who: Who, as_json: AsJson = False) -> None:
    """Let an account sign in again that was locked after wrong passwords."""
    user_id, unlocked = run_fast(_unlock(who))
    if as_json:
        print_json({"id": user_id, "unlocked": unlocked})
    elif unlocked:
        typer.echo(f"The wrong passwords of account {user_id} are forgotten.")
    else:
        typer.echo(f"Account {user_id} had no wrong passwords; nothing was changed.")


@app.command()
def export(
    who: Who,
    output: Annotated[
        Path | None, typer.Option("--output", help="A new file, instead of standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write all that the shop holds about one person, as a JSON document."""
    if output is None:
        _, document = run_fast(_export(who))
        typer.echo(document.decode())
        return
    # Made before anything is read: an export that has nowhere to go is none.
    with new_private_file(output) as file:
        user_id, document = run_fast(_export(who))
        file.write(document + b"\n")
    if as_json:
        print_json({"id": user_id, "file": str(output)})
    else:
        typer.echo(f"Wrote all about account {user_id} to {output}.")


@app.command()
def erase(
    who: Who,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; it cannot be undone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Replace what says who a customer is; orders and payments stay as they were recorded."""
    if not yes:
        raise Invalid(
            f"Erasing {who} cannot be undone. `keyshop users export {who}` shows what there is;"
            " add --yes to erase it."
        )
    user_id = run_fast(_erase(who))
    if as_json:
        print_json({"id": user_id, "erased": True})
    else:
        typer.echo(
            f"Account {user_id} was erased; its orders and payments stay. What payment services"
            " wrote into those (description, gatewayResponse) may name the customer."
        )


async def _create(email: str, password: str, wanted: Role) -> Account:
    async with shop() as parts:
        hashed = await parts.accounts.passwords.hash(password)
        async with parts.db.transaction() as tx:
            account = await create_user(
                tx, email=email, password_hash=hashed, role=wanted, now=utc_now()
            )
            await _record(tx, "users.create", account.id, {"role": wanted})
            return account


async def _show(who: str) -> Shown:
    async with database() as db, db.read() as reader:
        return await read_user(reader, await _get_account(reader, who), now=utc_now())


async def _set_role(who: str, wanted: Role) -> tuple[str, bool]:
    async def change(tx: Transaction, account: Account) -> tuple[str, bool]:
        changed = await set_role(tx, user_id=account.id, role=wanted, now=utc_now())
        if changed:
            await _record(tx, "users.role", account.id, {"role": wanted, "before": account.role})
        return account.id, changed

    return await _change(who, change)


async def _revoke(who: str) -> tuple[str, int]:
    async def change(tx: Transaction, account: Account) -> tuple[str, int]:
        now = utc_now()
        ended = await families.revoke_all(tx, account.id, reason="operator", now=now)
        # A link that somebody else may have asked for, and reads.
        await invalidate_email_tokens(tx, account.id, Purpose.RESET_PASSWORD, now=now)
        await _record(tx, "users.revoke", account.id, {"devices": ended})
        return account.id, ended

    return await _change(who, change)


async def _unlock(who: str) -> tuple[str, bool]:
    async def change(tx: Transaction, account: Account) -> tuple[str, bool]:
        unlocked = await locks.forget_failures(tx, account.email)
        if unlocked:
            await _record(tx, "users.unlock", account.id, {})
        return account.id, unlocked

    return await _change(who, change)


async def _export(who: str) -> tuple[str, bytes]:
    async def export(tx: Transaction, account: Account) -> tuple[str, bytes]:
        found = await export_user(tx, account.id, now=utc_now())
        # Nothing is changed, but somebody's data leave the shop.
        await _record(tx, "users.export", account.id, {})
        return account.id, msgspec.json.format(msgspec.json.encode(found), indent=2)

    return await _change(who, export)


async def _erase(who: str) -> str:
    async def change(tx: Transaction, account: Account) -> str:
        await erase_user(tx, user_id=account.id, now=utc_now())
        await _record(tx, "users.erase", account.id, {})
        return account.id

    return await _change(who, change)


async def _change(
    who: str, change: Callable[[Transaction, Account], Awaitable[_Result]]
) -> _Result:
    """Change the account in one transaction, anew when that collides with its owner."""

    async def locked(tx: Transaction) -> _Result:
        found = await _get_account(tx, who)
        # Before anything that belongs to it, in the order of everybody else.
        account = await lock_account(tx, found.id)
        if account is None:
            raise AccountNotFound(who)
        return await change(tx, account)

    async with shop() as parts:
        return await parts.db.run(locked, attempts=_ATTEMPTS)


async def _get_account(reader: Reader, who: str) -> Account:
    account = await (_find_by_address if "@" in who else find_account_by_id)(reader, who)
    if account is None:
        raise AccountNotFound(who)
    return account


async def _find_by_address(reader: Reader, address: str) -> Account | None:
    # What `show` has printed is the account's own address: another spelling of it may be somebody
    # else's.
    exact = await find_account(reader, NormalAddress(address.strip()))
    return exact or await find_account(reader, normalise(address))


async def _record(tx: Transaction, action: str, user_id: str, details: Details) -> None:
    await record(
        tx,
        actor=get_os_user(),
        action=action,
        subject=Subject("user", user_id),
        details=details,
        now=utc_now(),
    )


def _read_password() -> str:
    """Read one line; never from the command line, which every user of the machine can list."""
    if sys.stdin.isatty():
        given: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return given
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise Invalid("--password-stdin: standard input holds no password.")
    return given


def _make_password() -> str:
    while True:
        made = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        if _has_all_kinds(made):
            return made
