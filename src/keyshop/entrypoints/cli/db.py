"""`keyshop db ...`: the database's schema."""

import asyncio
from typing import Annotated

import msgspec
import typer

from keyshop.accounts.count_unnormalised_emails import count_unnormalised_emails
from keyshop.assembly import database_server
from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import read_settings
from keyshop.schema import migrate
from keyshop.schema.attach import Attached, attach, check
from keyshop.schema.compare import Difference
from keyshop.schema.connect import connected
from keyshop.schema.detach import detach
from keyshop.schema.status import Status

app = typer.Typer(no_args_is_help=True)

_STATES = {
    "empty": "is empty",
    "ours": "was made by keyshop",
    "newer": "was upgraded by a newer version of keyshop",
    "unreleased": "was made by an unreleased version of keyshop and cannot be upgraded",
    "foreign": "was not made by keyshop",
}
_LOST = (
    "with all that it held: waiting jobs, runs of the sync, what the supplier said, opening"
    " balances, the lists for filters and search"
)


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Bring the database to the newest revision."""
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
    """Tell where the database stands, and which of keyshop's triggers are gone or switched off."""
    with database_server(read_settings()) as url:
        found = migrate.status(url)
        others = asyncio.run(_count_other_spellings(url)) if found.state == "ours" else None
    if as_json:
        print_json(msgspec.structs.asdict(found) | {"other_spellings": others})
        return
    typer.echo(f"The database {_state_of(found)}.")
    typer.echo(f"Revision: {found.current or 'none'}; the newest is {found.head}.")
    for name in found.pending:
        typer.echo(f"  to be applied: {name}")
    if found.triggers:
        rows = [(each.table, each.trigger, each.fault) for each in found.triggers]
        print_table("Triggers that do not do their work", ("table", "trigger", "fault"), rows)
    _tell_other_spellings(others)


@app.command("attach")
def take_over(
    only_check: Annotated[
        bool, typer.Option("--check", help="Only tell what differs; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take over a database that Prisma made; Prisma goes on working with it."""
    with database_server(read_settings()) as url:
        if only_check:
            differences = check(url)
            stops = any(each.stops for each in differences)
            others = None if stops else asyncio.run(_count_other_spellings(url))
            _tell_differences(differences, others, as_json=as_json)
            return
        attached = attach(url, lambda step: typer.echo(f"Adding {step} ...", err=True))
    if as_json:
        print_json(attached)
    else:
        _tell_attached(attached)


@app.command("detach")
def give_back(as_json: AsJson = False) -> None:
    """Take away all that keyshop added to a database of Prisma's; loses what keyshop noted itself."""
    with database_server(read_settings()) as url:
        detached = detach(url)
    if as_json:
        print_json(detached)
        return
    typer.echo(
        f"Detached: {detached.triggers} triggers and {detached.indexes} indexes of keyshop are gone"
        f" from the shop's tables, and schema keyshop {_LOST}. What anybody wrote into the shop's"
        " tables stays."
    )


def _state_of(found: Status) -> str:
    if found.attachment is None or found.state == "unreleased":
        return _STATES[found.state]
    if found.attachment.finished_at is None:
        return (
            "was made by Prisma, and taking it over was interrupted: `keyshop db attach` goes on,"
            " `keyshop db detach` undoes it"
        )
    return f"was made by Prisma and is attached since {found.attachment.finished_at:%F %T} UTC"


async def _count_other_spellings(url: str) -> int:
    async with connected(url) as connection:
        return await count_unnormalised_emails(connection)


def _tell_other_spellings(others: int | None) -> None:
    if others:
        typer.echo(
            f"Accounts whose e-mail address is not in its normal form: {others}. Their owners must"
            " type it as it is stored, or in lower case where that is how it is stored."
        )


def _tell_differences(differences: list[Difference], others: int | None, *, as_json: bool) -> None:
    stops = any(each.stops for each in differences)
    if as_json:
        print_json({"stops": stops, "differences": differences, "other_spellings": others})
    else:
        rows = [
            (each.where, each.what, "stops keyshop" if each.stops else "harmless")
            for each in differences
        ]
        print_table("Differences from what Prisma makes", ("where", "what", "means"), rows)
        _tell_other_spellings(others)
        verdict = (
            "cannot take this database over as it is" if stops else "can take this database over"
        )
        typer.echo(f"keyshop {verdict}; nothing was changed.")
    if stops:
        raise typer.Exit(1)


def _tell_attached(attached: Attached) -> None:
    typer.echo("The database is attached; Prisma goes on working with it.")
    typer.echo(f"Revisions: {len(attached.applied)}; indexes built: {len(attached.indexes)}.")
    typer.echo(
        f"Customers whose balance was not the sum of their transactions: {attached.opening_balances}"
        " (the rest is recorded in keyshop.opening_balances)."
    )
