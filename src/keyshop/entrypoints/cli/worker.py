"""`keyshop worker`: runs jobs and the schedule."""

import asyncio
from functools import partial
from typing import Final

import structlog
import typer

from keyshop.entrypoints.cli.attached import may_synchronise
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.parent import ExitWith, exit_with_parent
from keyshop.entrypoints.cli.session import DatabaseOutdated, database, shop
from keyshop.entrypoints.worker.run import QueueMissing, run_worker, stop_on_signals
from keyshop.entrypoints.worker.schedule import list_schedules
from keyshop.kit.cache.background import in_background
from keyshop.kit.clock import utc_now
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.errors import Unavailable
from keyshop.schema.watch import watch_schema
from keyshop.sync.mark_interrupted_runs import mark_interrupted_runs

app = typer.Typer()
_log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.5  # seconds, doubled after each failure
_MAX_DELAY: Final = 10.0  # seconds

_WAS_UPGRADED: Final = "SELECT to_regclass('keyshop.alembic_version') IS NOT NULL"


@app.callback(invoke_without_command=True)
def worker(exit_with: ExitWith = None) -> None:
    """
    Run only the worker, with its schedule; any number of workers may run, on any machine.

    It waits while PostgreSQL is unavailable or being restored.
    """
    exit_with_parent(exit_with)
    run_fast(_run())


async def _run() -> None:
    # Until it has started it has nothing to lose; from then on it waits for PostgreSQL itself.
    delay = _FIRST_DELAY
    while True:
        try:
            try:
                await _work()
            except (DatabaseOutdated, QueueMissing) as error:
                if not await _was_upgraded():
                    raise
                # It is being restored, or an upgrade is still to come.
                raise DatabaseUnavailable(str(error)) from error
        except Unavailable as error:
            _log.warning("worker.waits_to_start", reason=str(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_DELAY)
        else:
            return


async def _was_upgraded() -> bool:
    """Test whether keyshop has ever upgraded the database; a restore begins with this table."""
    async with database() as db, db.read() as reader:
        return bool(await reader.fetchval(_WAS_UPGRADED))


async def _work() -> None:
    async with (
        shop() as parts,
        parts.run_relay(),
        in_background(partial(watch_schema, parts.database_url)),
    ):
        for warning in parts.settings.warnings:
            _log.warning("settings.doubtful", reason=warning)
        await mark_interrupted_runs(parts.db, now=utc_now())
        schedules = list_schedules(synchronises=await may_synchronise(parts))
        with stop_on_signals() as stop:
            await run_worker(parts, stop=stop, schedules=schedules)
