"""`keyshop jobs ...`: the worker's queue."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import database
from keyshop.kit.jobs import JobRow, delete_dead_letter, list_jobs, retry_dead_letter

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("id", "name", "state", "attempts", "age", "next run", "last error")


@app.command("list")
def list_command(
    dead: Annotated[bool, typer.Option("--dead", help="Only jobs that failed for good.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the newest 1000 jobs that are waiting, running or dead."""
    found = asyncio.run(_list(dead=dead))
    if as_json:
        print_json({"jobs": found})
    else:
        print_table("Dead letters" if dead else "Jobs", _COLUMNS, [_cells(job) for job in found])


@app.command("retry")
def retry_command(
    job_id: Annotated[int, typer.Argument(metavar="ID", help="The dead letter.")],
    as_json: AsJson = False,
) -> None:
    """Put a dead letter back into the queue."""
    asyncio.run(_retry(job_id))
    if as_json:
        print_json({"retried": job_id})
    else:
        typer.echo(f"Job {job_id} is in the queue again.")


@app.command("forget")
def forget_command(
    job_ids: Annotated[list[int], typer.Argument(metavar="ID...", help="The dead letters.")],
    as_json: AsJson = False,
) -> None:
    """Delete dead letters: all that are named, or none if one of them does not exist."""
    asyncio.run(_forget(job_ids))
    if as_json:
        print_json({"forgotten": job_ids})
    else:
        typer.echo(f"Deleted: {', '.join(map(str, job_ids))}.")


async def _list(*, dead: bool) -> list[JobRow]:
    async with database() as db, db.read() as reader:
        return await list_jobs(reader, dead=dead)


async def _retry(job_id: int) -> None:
    async with database() as db, db.transaction() as tx:
        await retry_dead_letter(tx, job_id)


async def _forget(job_ids: list[int]) -> None:
    async with database() as db, db.transaction() as tx:
        for job_id in job_ids:
            await delete_dead_letter(tx, job_id)


def _cells(job: JobRow) -> tuple[object, ...]:
    next_run = f"{job.next_run_at:%Y-%m-%d %H:%M:%S}" if job.next_run_at else ""
    age = timedelta(seconds=round(job.age_seconds))
    return (job.id, job.name, job.state, job.attempts, age, next_run, job.last_error or "")
