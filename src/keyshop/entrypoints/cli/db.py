"""`keyshop db ...`: the database's schema."""

import asyncio
from typing import Annotated

import msgspec
import typer

from keyshop.accounts.count_broken_amounts import count_broken_amounts
from keyshop.accounts.count_unnormalised_emails import count_unnormalised_emails
from keyshop.catalog.count_unpriced_games import count_unpriced_games
from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import read_settings
from keyshop.schema import migrate
from keyshop.schema.attach import Attached, attach, check
from keyshop.schema.compare import Difference
from keyshop.schema.connect import connected
from keyshop.schema.detach import detach
from keyshop.schema.status import Status
from keyshop.servers import database_server

app = typer.Typer(no_args_is_help=True)

_STATES = {
    "empty": "is empty",
    "ours": "was made by keyshop",
    "newer": "was upgraded by a newer version of keyshop",
    "unreleased": "was made by an unreleased version of keyshop and cannot be upgraded",
    "foreign": "was not made by keyshop",
}
_DELETED = "waiting jobs, sync runs, supplier data, opening balances, tables for filters and search"


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Migrate the database to the newest revision."""
    with database_server(read_settings()) as url:
        applied = migrate.upgrade(url)
    if as_json:
        print_json({"applied": applied})
    elif applied:
        typer.echo("Applied:\n" + "\n".join(f"  {name}" for name in applied))
    else:
        typer.echo("The database is at the newest revision; nothing was changed.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the database's revision, and what keyshop needs in it and does not find."""
    with database_server(read_settings()) as url:
        found = migrate.status(url)
        is_complete = found.state == "ours" and not found.missing
        others = asyncio.run(_count_unnormalised_emails(url)) if is_complete else None
        unpriced = asyncio.run(_count_unpriced_games(url)) if is_complete else None
        broken = asyncio.run(_count_broken_amounts(url)) if is_complete else None
    if as_json:
        counts = {"other_spellings": others, "unpriced_games": unpriced, "broken_amounts": broken}
        print_json(msgspec.structs.asdict(found) | counts)
        return
    typer.echo(f"The database {_state_of(found)}.")
    typer.echo(f"Revision: {found.current or 'none'}; the newest is {found.head}.")
    for name in found.pending:
        typer.echo(f"  pending: {name}")
    if found.triggers:
        rows = [(each.table, each.trigger, each.fault) for each in found.triggers]
        print_table("Triggers that do not work", ("table", "trigger", "fault"), rows)
    if unpriced:
        typer.echo(f"Games whose price is not a number, and which the shop hides: {unpriced}.")
    if broken:
        typer.echo(
            "Balances of customers and discounts of orders that are not a number, and which the shop"
            f" shows as 0: {broken}."
        )
    if found.missing:
        absent = [(name, "missing") for name in found.missing]
        print_table("Tables and columns that keyshop needs", ("name", "fault"), absent)
    for table in found.missed:
        typer.echo(
            f"Changes of {table} were not followed, for want of a column or its type; a worker"
            " follows them when it is as it was. Until then the cache stays closed."
        )
    _print_unnormalised_emails(others)


@app.command("attach")
def attach_command(
    only_check: Annotated[
        bool, typer.Option("--check", help="Only show what differs; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over a database that Prisma made; Prisma can still use it."""
    with database_server(read_settings()) as url:
        if only_check:
            differences = check(url)
            stops = any(each.stops for each in differences)
            others = None if stops else asyncio.run(_count_unnormalised_emails(url))
            _print_differences(differences, others, as_json=as_json)
            return
        attached = attach(url, lambda step: typer.echo(f"Adding {step} ...", err=True))
    if as_json:
        print_json(attached)
    else:
        _print_attached(attached)


@app.command("detach")
def detach_command(as_json: AsJson = False) -> None:
    """Undo `attach`: delete everything that keyshop added, with the data in its own tables."""
    with database_server(read_settings()) as url:
        detached = detach(url)
    if as_json:
        print_json(detached)
        return
    typer.echo(
        f"Detached. Deleted: {detached.triggers} triggers and {detached.indexes} indexes on the"
        f" shop's tables, and schema keyshop with all its data ({_DELETED}). The data in the shop's"
        " own tables stays."
    )


def _state_of(found: Status) -> str:
    if found.attachment is None or found.state == "unreleased":
        return _STATES[found.state]
    if found.attachment.finished_at is None:
        return (
            "was made by Prisma, and attaching it was interrupted: `keyshop db attach` continues,"
            " `keyshop db detach` undoes it"
        )
    return f"was made by Prisma and attached at {found.attachment.finished_at:%F %T} UTC"


async def _count_unnormalised_emails(url: str) -> int:
    async with connected(url) as connection:
        return await count_unnormalised_emails(connection)


async def _count_unpriced_games(url: str) -> int:
    async with connected(url) as connection:
        return await count_unpriced_games(connection)


async def _count_broken_amounts(url: str) -> int:
    async with connected(url) as connection:
        return await count_broken_amounts(connection)


def _print_unnormalised_emails(others: int | None) -> None:
    if others:
        typer.echo(
            f"Accounts whose e-mail address is not in its normal form: {others}. Their owners sign in"
            " with the address exactly as it is stored, or in lower case if it is stored so."
        )


def _print_differences(differences: list[Difference], others: int | None, *, as_json: bool) -> None:
    stops = any(each.stops for each in differences)
    if as_json:
        print_json({"stops": stops, "differences": differences, "other_spellings": others})
    else:
        rows = [
            (each.where, each.what, "prevents attaching" if each.stops else "harmless")
            for each in differences
        ]
        print_table("Differences from Prisma's schema", ("where", "what", "effect"), rows)
        _print_unnormalised_emails(others)
        can = "cannot" if stops else "can"
        typer.echo(f"keyshop {can} take over this database; nothing was changed.")
    if stops:
        raise typer.Exit(1)


def _print_attached(attached: Attached) -> None:
    typer.echo("The database is attached; Prisma can still use it.")
    typer.echo(
        f"Revisions applied: {len(attached.applied)}; indexes built: {len(attached.indexes)}."
    )
    typer.echo(
        f"Customers whose balance was not the sum of their transactions: {attached.opening_balances}"
        " (both are recorded in keyshop.opening_balances)."
    )
    typer.echo(
        "keyshop does not work on orders of other applications; `keyshop orders list --foreign --open`"
        " lists those that are open."
    )
