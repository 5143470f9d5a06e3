"""The worker: runs jobs from the queue, and enqueues those of the schedule when they are due."""

import asyncio
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from keyshop.entrypoints.worker import audit, cleanup, mail, orders, sync, wallet
from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.run_jobs import run_jobs
from keyshop.entrypoints.worker.schedule import SCHEDULES, Schedule
from keyshop.entrypoints.worker.scheduler import run_scheduler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.entrypoints.worker.waiting import Waiting
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Conflict, Unavailable

HANDLERS: Final[tuple[Handler, ...]] = (
    *sync.HANDLERS,
    *mail.HANDLERS,
    *cleanup.HANDLERS,
    *audit.HANDLERS,
    *wallet.HANDLERS,
    *orders.HANDLERS,
)

_HAS_QUEUE: Final = "SELECT to_regclass('keyshop.pgqueuer') IS NOT NULL"
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class QueueMissing(Conflict):
    """The database has no queue yet."""

    def __init__(self) -> None:
        super().__init__("The database has no job queue; run `keyshop db upgrade` first.")


async def run_worker(
    shop: WorkerShop,
    *,
    stop: asyncio.Event,
    handlers: Sequence[Handler] = HANDLERS,
    schedules: Iterable[Schedule] = SCHEDULES,
    limits: WorkerLimits = DEFAULT_LIMITS,
) -> None:
    """
    Work until `stop` is set.

    Running jobs then have the grace period to finish; those that do not are put back into the
    queue. While PostgreSQL is unavailable, the worker waits for it.

    Raises:
        QueueMissing: the database was not upgraded.
    """
    await _require_queue(shop.db, stop)
    scheduler = asyncio.create_task(run_scheduler(shop.db, tuple(schedules), stop=stop))
    jobs = asyncio.create_task(run_jobs(shop, handlers, limits=limits, stop=stop))
    try:
        # The first that fails ends the other: a worker with half its duties would look healthy.
        await asyncio.wait({scheduler, jobs}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait({scheduler, jobs})
        jobs.result()
        scheduler.result()
    finally:
        scheduler.cancel()
        jobs.cancel()


async def _require_queue(db: Database, stop: asyncio.Event) -> None:
    # Only at the start: while a database is being restored, its tables are missing for a while.
    waiting = Waiting("worker", stop)
    while not stop.is_set():
        try:
            async with db.read() as reader:
                has_queue = await reader.fetchval(_HAS_QUEUE)
        except Unavailable as error:
            await waiting.wait_after(error)
            continue
        if not has_queue:
            raise QueueMissing
        return


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Let SIGTERM and SIGINT set this event for the length of the block."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
