"""
The worker: takes jobs from the queue, and watches the clock.

It hangs on one connection, over which it hears of jobs, takes them and shows that it is alive. When
that breaks, its handlers are stopped (another worker may have their jobs already) and it begins
anew on another.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

import asyncpg
import structlog
from asyncpg import Connection, Record
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.types import QueueEntrypoint, QueueManagerId

from keyshop.entrypoints.worker import cleanup as tidy
from keyshop.entrypoints.worker import mail, sync
from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.job_executor import JobExecutor
from keyshop.entrypoints.worker.leases import (
    NAMES,
    FencedQueue,
    RunningJobs,
    Stop,
    WatchedDriver,
)
from keyshop.entrypoints.worker.schedule import SCHEDULES, Schedule
from keyshop.entrypoints.worker.scheduler import run_scheduler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.database.errors import CONNECTION_UNUSABLE
from keyshop.kit.dsn import clean_dsn
from keyshop.kit.errors import Conflict

_log = structlog.get_logger(__name__)

HANDLERS: Final[tuple[Handler, ...]] = (
    *sync.HANDLERS,
    *mail.HANDLERS,
    *tidy.HANDLERS,
)

# A worker that gave no sign for this long has lost its jobs. Signs are given twice as often, and a
# worker looks for jobs of the lost every `_LOOK`: a killed one's job waits for seven seconds.
_LEASE: Final = timedelta(seconds=5)
_LOOK: Final = timedelta(seconds=2)

# How many jobs one process has in hand, and how many it takes at once.
_IN_HAND: Final = 8
_AT_ONCE: Final = 4

# How many of those may wait for minutes, as for a mail server that looks through mails: all else
# that is due, a sync of the catalogue say, must not stand behind them.
_SLOW_IN_HAND: Final = 4

_GRACE: Final = timedelta(seconds=20)
_CLEAN_UP: Final = timedelta(seconds=5)
_FIRST_PAUSE: Final = 0.5
_MAX_PAUSE: Final = 10.0


class QueueMissing(Conflict):
    """The database has no queue yet."""

    def __init__(self) -> None:
        super().__init__("The database has no queue of jobs; run `keyshop db upgrade` first.")


async def run_worker(
    shop: WorkerShop,
    *,
    handlers: Sequence[Handler] = HANDLERS,
    schedules: Iterable[Schedule] = SCHEDULES,
    grace: timedelta = _GRACE,
    stop: asyncio.Event | None = None,
) -> None:
    """
    Work until told to stop: by SIGTERM or SIGINT, or by `stop` where the caller minds the signals.

    The jobs in hand then have `grace` to finish; those that do not are put back. While PostgreSQL
    is away, the worker waits for it.

    Raises:
        QueueMissing: the database was not upgraded.
    """
    # It would add its own lines, with whole tracebacks, to the one that each attempt has.
    logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
    with _stop_on_signals() if stop is None else _as_it_is(stop) as told:
        clock = asyncio.create_task(run_scheduler(shop.db, tuple(schedules), stop=told))
        jobs = asyncio.create_task(_work(shop, handlers, grace=grace, stop=told))
        try:
            # The first that fails ends the other: a worker with half its duties looks healthy.
            await asyncio.wait({clock, jobs}, return_when=asyncio.FIRST_COMPLETED)
            told.set()
            await asyncio.wait({clock, jobs})
            jobs.result()
            clock.result()
        except asyncpg.UndefinedTableError as error:
            raise QueueMissing from error
        finally:
            clock.cancel()
            jobs.cancel()


async def _work(
    shop: WorkerShop, handlers: Sequence[Handler], *, grace: timedelta, stop: asyncio.Event
) -> None:
    worker = QueueManagerId(uuid4())
    pause = _FIRST_PAUSE
    while not stop.is_set():
        try:
            async with _connected(shop.database_url) as connection:
                pause = _FIRST_PAUSE
                running = RunningJobs()
                queue = _queue(connection, worker, handlers, running)
                manager = _manager(queue, worker, shop, handlers, running)
                await queue.take_back()
                await _live(manager, running, grace=grace, stop=stop)
        except CONNECTION_UNUSABLE as error:
            if stop.is_set():
                return
            _log.warning("database away", operation="worker", reason=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(pause * 2, _MAX_PAUSE)


def _queue(
    connection: "Connection[Record]",
    worker: QueueManagerId,
    handlers: Sequence[Handler],
    running: RunningJobs,
) -> FencedQueue:
    def give_up() -> None:
        running.stop(Stop.LOST)
        connection.terminate()

    connection.add_termination_listener(lambda _: running.stop(Stop.LOST))
    return FencedQueue(
        WatchedDriver(connection, give_up),
        worker,
        running,
        slow=frozenset(
            QueueEntrypoint(handler.name) for handler in handlers if handler.may_be_slow
        ),
        slow_share=_SLOW_IN_HAND,
    )


def _manager(
    queue: FencedQueue,
    worker: QueueManagerId,
    shop: WorkerShop,
    handlers: Sequence[Handler],
    running: RunningJobs,
) -> QueueManager:
    manager = QueueManager(queue, NAMES.channel)
    manager.queue_manager_id = worker
    for handler in handlers:
        manager.register_executor(handler.name, JobExecutor(handler, shop, queue, running))
    return manager


async def _live(
    manager: QueueManager, running: RunningJobs, *, grace: timedelta, stop: asyncio.Event
) -> None:
    """Take jobs until told to stop; raise when the connection breaks."""
    working = asyncio.create_task(
        manager.run(
            dequeue_timeout=_LOOK,
            batch_size=_AT_ONCE,
            max_concurrent_tasks=_IN_HAND,
            heartbeat_timeout=_LEASE,
        )
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    manager.shutdown.set()
    await _finish(working, running, grace=grace)


async def _finish(working: asyncio.Task[None], running: RunningJobs, *, grace: timedelta) -> None:
    """Let the jobs in hand end, then stop them, then leave them to other workers."""
    done, _ = await asyncio.wait({working}, timeout=grace.total_seconds())
    if not done:
        running.stop(Stop.INTERRUPTED)
        done, _ = await asyncio.wait({working}, timeout=_CLEAN_UP.total_seconds())
    if done:
        working.result()


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator["Connection[Record]"]:
    dsn = clean_dsn(database_url)
    connection: Connection[Record] = await asyncpg.connect(
        dsn.url,
        timeout=10,
        # A statement that takes longer than the lease is as good as lost.
        command_timeout=_LEASE.total_seconds(),
        statement_cache_size=0 if dsn.pgbouncer else 100,
        server_settings={"timezone": "UTC"},
    )
    try:
        yield connection
    finally:
        with suppress(*CONNECTION_UNUSABLE):
            await connection.close(timeout=2)


@contextmanager
def _stop_on_signals() -> Iterator[asyncio.Event]:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _as_it_is(stop: asyncio.Event) -> Iterator[asyncio.Event]:
    yield stop
