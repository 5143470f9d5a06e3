"""`keyshop worker`: runs jobs and the schedule."""

import asyncio
from functools import partial
from typing import Final

import structlog
import typer

from keyshop.entrypoints.cli.attached import may_synchronise
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.parent import ExitWith, exit_with_parent
from keyshop.entrypoints.cli.session import shop
from keyshop.entrypoints.worker.run import run_worker, stop_on_signals
from keyshop.entrypoints.worker.schedule import SCHEDULES
from keyshop.kit.cache.background import in_background
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import Unavailable
from keyshop.schema.watch import watch_schema
from keyshop.sync.mark_interrupted_runs import mark_interrupted_runs

app = typer.Typer()
_log = structlog.get_logger(__name__)

_FIRST_DELAY: Final = 0.5  # seconds, doubled after each failure
_MAX_DELAY: Final = 10.0  # seconds


@app.callback(invoke_without_command=True)
def worker(exit_with: ExitWith = None) -> None:
    """Run only the worker, with its schedule; any number of workers may run, on any machine."""
    exit_with_parent(exit_with)
    run_fast(_run())


async def _run() -> None:
    # Until it has started it has nothing to lose; from then on it waits for PostgreSQL itself.
    delay = _FIRST_DELAY
    while True:
        try:
            await _work()
        except Unavailable as error:
            _log.warning("worker.waits_to_start", reason=str(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_DELAY)
        else:
            return


async def _work() -> None:
    async with (
        shop() as parts,
        parts.run_relay(),
        in_background(partial(watch_schema, parts.database_url)),
    ):
        for warning in parts.settings.warnings:
            _log.warning("settings.doubtful", reason=warning)
        await mark_interrupted_runs(parts.db, now=utc_now())
        schedules = SCHEDULES if await may_synchronise(parts) else ()
        with stop_on_signals() as stop:
            await run_worker(parts, stop=stop, schedules=schedules)
