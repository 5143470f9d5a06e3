"""
Runs jobs over one connection, and over a new one whenever it breaks.

When the connection breaks, the running handlers are cancelled: another worker may have their jobs
already.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from keyshop.entrypoints.worker.connection import connected
from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.pgqueuer_adapter import JobQueue
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_log = structlog.get_logger(__name__)

_CLEANUP_TIMEOUT: Final = timedelta(seconds=5)  # for handlers that were cancelled
_RETRY_DELAY: Final = 0.5  # seconds, doubled after each failed connection
_MAX_RETRY_DELAY: Final = 10.0


async def run_jobs(
    shop: WorkerShop,
    handlers: Sequence[Handler],
    *,
    limits: WorkerLimits = DEFAULT_LIMITS,
    stop: asyncio.Event,
) -> None:
    """Run jobs until `stop` is set; wait for PostgreSQL while it is unavailable."""
    worker_id = uuid4()
    delay = _RETRY_DELAY
    while not stop.is_set():
        try:
            async with connected(shop.database_url, lease=limits.lease) as connection:
                delay = _RETRY_DELAY
                queue = JobQueue(connection, worker_id, handlers, shop, limits=limits)
                await queue.release_leases()
                await _run_until_stopped(queue, grace_period=limits.grace_period, stop=stop)
        except CONNECTION_UNUSABLE as error:
            if stop.is_set():
                return
            _log.warning("database unavailable", operation="worker", reason=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay)
            delay = min(delay * 2, _MAX_RETRY_DELAY)


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
    if done:
        running.result()
