"""Watches the clock and enqueues each job that is due, once for all workers."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from keyshop.entrypoints.worker.schedule import Schedule, latest_due, next_due
from keyshop.entrypoints.worker.waiting import log_failure
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.kit.schedule_ticks import claim_tick

_log = structlog.get_logger(__name__)

# A change of the system's clock is noticed after at most this long.
_MAX_SLEEP: Final = timedelta(seconds=5)


async def run_scheduler(
    db: Database, schedules: Iterable[Schedule], *, stop: asyncio.Event
) -> None:
    """
    Enqueue the job of each schedule whenever it is due, until `stop` is set.

    A schedule that is new to the database begins with its next moment. Of the moments that passed
    while no worker ran, the latest is made up for. While the database is unavailable, it tries again.
    """
    enqueued: dict[str, datetime] = {}
    while not stop.is_set():
        now = utc_now()
        for schedule in schedules:
            due_at = latest_due(schedule, now)
            if enqueued.get(schedule.name) == due_at:
                continue
            if await _enqueue_or_postpone(db, schedule, due_at, now):
                enqueued[schedule.name] = due_at
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _seconds_to_sleep(schedules, utc_now()))


async def enqueue_if_due(
    tx: Transaction, schedule: Schedule, *, due_at: datetime, now: datetime
) -> bool:
    """Enqueue the schedule's job for this moment, once for all workers; return whether this did."""
    if not await claim_tick(tx, schedule.name, due_at, now=now):
        return False
    await enqueue(tx, schedule.job(due_at))
    return True


async def _enqueue_or_postpone(
    db: Database, schedule: Schedule, due_at: datetime, now: datetime
) -> bool:
    """Return False when the database is unavailable and the job is still to be enqueued."""
    try:
        async with db.transaction() as tx:
            enqueued = await enqueue_if_due(tx, schedule, due_at=due_at, now=now)
    except Exception as error:  # noqa: BLE001 - a schedule that ended would need a person
        log_failure(error, operation=schedule.name, due_at=due_at)
        return False
    if enqueued:
        _log.info("tick", operation=schedule.name, due_at=due_at)
    return True


def _seconds_to_sleep(schedules: Iterable[Schedule], now: datetime) -> float:
    waits = [next_due(schedule, now) - now for schedule in schedules]
    return min([_MAX_SLEEP, *waits]).total_seconds()
