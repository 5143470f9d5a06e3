"""`keyshop sync ...`: the supplier's catalogue and stock."""

import asyncio
import sys
from typing import Annotated

import typer

from keyshop.entrypoints.cli.attached import SimulatorRefused, may_synchronise
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.output import AsJson, print_json, print_record, print_table
from keyshop.entrypoints.cli.progress import sync_progress
from keyshop.entrypoints.cli.session import database, shop
from keyshop.kit.clock import utc_now
from keyshop.sync import quarantine_queries, queries
from keyshop.sync.mark_interrupted_runs import mark_interrupted_runs
from keyshop.sync.models import QuarantinedEntry, Run, RunError
from keyshop.sync.rules import RunKind, RunState

app = typer.Typer(no_args_is_help=True)

Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Maximum number of rows.")]

_COLUMNS = ("started (UTC)", "kind", "state", "seconds", "products", "added", "updated", "reason")


@app.command()
def full(as_json: AsJson = False) -> None:
    """Read the supplier's whole catalogue; exit with 1 if the run stays incomplete."""
    _finish(run_fast(_run(RunKind.FULL)), as_json=as_json)


@app.command()
def stock(as_json: AsJson = False) -> None:
    """Update prices and stock of the shop's games; exit with 1 if the run stays incomplete."""
    _finish(run_fast(_run(RunKind.STOCK)), as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the latest run of each kind, and its errors."""
    runs, errors, quarantined = asyncio.run(_status())
    if as_json:
        print_json({"runs": runs, "errors": errors, "quarantined": quarantined})
        return
    for run in runs:
        print_record(f"Latest {run.kind.label}", _facts(run))
        if errors[run.id]:
            rows = [(error.page, error.reason) for error in errors[run.id]]
            print_table("Errors of this run", ("page", "reason"), rows)
    typer.echo(f"Products in quarantine: {quarantined}; `keyshop sync quarantine` lists them.")


@app.command()
def runs(as_json: AsJson = False, limit: Limit = 20) -> None:
    """List the runs, newest first."""
    found = asyncio.run(_runs(limit))
    if as_json:
        print_json({"runs": found})
    else:
        print_table("Runs", _COLUMNS, [_cells(run) for run in found])


@app.command()
def quarantine(as_json: AsJson = False, limit: Limit = 100) -> None:
    """List the supplier's products in quarantine, each with its reason."""
    found = asyncio.run(_quarantine(limit))
    if as_json:
        print_json({"quarantine": found})
        return
    print_table(
        "Quarantine",
        ("product", "reason", "page", "since (UTC)"),
        [
            (
                entry.product_id or "(no id)",
                entry.reason,
                entry.page,
                f"{entry.first_seen_at:%F %T}",
            )
            for entry in found
        ],
    )


async def _run(kind: RunKind) -> Run:
    async with shop(shows_progress=True) as parts:
        if not await may_synchronise(parts):
            raise SimulatorRefused
        for earlier in await mark_interrupted_runs(parts.db, now=utc_now()):
            typer.echo(f"The {earlier.kind.label} of {earlier.started_at:%F %T} UTC was interrupted"
                       f" after {earlier.products} products; its changes are kept.", err=True)  # fmt: skip
        with sync_progress(kind) as report:
            if kind is RunKind.FULL:
                return await parts.run_full_sync(report)
            return await parts.run_stock_check(report)


async def _status() -> tuple[list[Run], dict[str, list[RunError]], int]:
    async with database() as db:
        await mark_interrupted_runs(db, now=utc_now())
        async with db.read() as reader:
            found = await queries.list_latest_runs(reader)
            errors = {run.id: await queries.list_errors(reader, run.id, limit=50) for run in found}
            return found, errors, await quarantine_queries.count_quarantined(reader)


async def _runs(limit: int) -> list[Run]:
    async with database() as db, db.read() as reader:
        return await queries.list_runs(reader, limit=limit)


async def _quarantine(limit: int) -> list[QuarantinedEntry]:
    async with database() as db, db.read() as reader:
        return await quarantine_queries.list_quarantine(reader, limit=limit)


def _finish(run: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(run)
    else:
        print_record(f"{run.kind.label.capitalize()} {run.id}", _facts(run))
    if run.state is not RunState.COMPLETE:
        if run.reason:
            typer.echo(f"keyshop: {run.reason}", err=True)
        sys.exit(1)


def _cells(run: Run) -> tuple[object, ...]:
    return (
        f"{run.started_at:%F %T}",
        run.kind,
        run.state,
        _seconds(run),
        run.products,
        run.added,
        run.updated,
        run.reason,
    )


def _facts(run: Run) -> list[tuple[str, object]]:
    facts = [(name.replace("_", " "), getattr(run, name)) for name in run.__struct_fields__]
    return [*facts, ("seconds", _seconds(run))]


def _seconds(run: Run) -> float | None:
    if run.finished_at is None:
        return None
    return round((run.finished_at - run.started_at).total_seconds(), 1)
