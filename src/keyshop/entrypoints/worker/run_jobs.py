"""
Runs jobs over one connection, and over a new one whenever it breaks or PostgreSQL refuses a statement.

When the connection breaks, the running handlers are cancelled: another worker may have their jobs
already. Whatever the reason is, the worker waits and tries again: it never ends by itself.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

import asyncpg

from keyshop.entrypoints.worker.connection import connected
from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.pgqueuer_adapter import JobQueue
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.entrypoints.worker.waiting import Waiting

_CLEANUP_TIMEOUT: Final = timedelta(seconds=5)  # for handlers that were cancelled


async def run_jobs(
    shop: WorkerShop,
    handlers: Sequence[Handler],
    *,
    limits: WorkerLimits = DEFAULT_LIMITS,
    stop: asyncio.Event,
) -> None:
    """Run jobs until `stop` is set; wait for PostgreSQL while it is unavailable."""
    worker_id = uuid4()
    waiting = Waiting("worker", stop)
    while not stop.is_set():
        try:
            async with connected(shop.database_url, lease=limits.lease) as connection:
                queue = JobQueue(connection, worker_id, handlers, shop, limits=limits)
                await queue.release_leases()
                waiting.reset()
                await _run_until_stopped(queue, grace_period=limits.grace_period, stop=stop)
        except Exception as error:  # noqa: BLE001 - a worker that ended would need a person
            if stop.is_set():
                return
            await waiting.wait_after(error)


async def _run_until_stopped(
    queue: JobQueue, *, grace_period: timedelta, stop: asyncio.Event
) -> None:
    """Run jobs until `stop` is set; raise when the connection breaks."""
    running = asyncio.create_task(queue.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    queue.stop_claiming()
    done, _ = await asyncio.wait({running}, timeout=grace_period.total_seconds())
    if not done:
        queue.interrupt_jobs()
        done, _ = await asyncio.wait({running}, timeout=_CLEANUP_TIMEOUT.total_seconds())
    # What still runs is left behind: when the lease ends, other workers take the jobs.
    if running.cancelled():
        raise asyncpg.InterfaceError("PgQueuer gave up.")
    if done:
        running.result()
