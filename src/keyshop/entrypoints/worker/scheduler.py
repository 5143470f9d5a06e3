"""Watches the clock and enqueues what is due, once however many workers watch."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from keyshop.entrypoints.worker.schedule import Schedule, latest_due, next_due
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import Unavailable
from keyshop.kit.jobs import enqueue, forget_finished_jobs

_log = structlog.get_logger(__name__)

# A clock that is set while we sleep is noticed after this long.
_MAX_SLEEP: Final = timedelta(seconds=5)
_KEPT: Final = timedelta(days=14)

# A worker whose clock is behind must not bring back a moment that the others have passed. Another
# one that is inserting the same row is waited for: it may still be killed before it commits.
_CLAIM: Final = """
    INSERT INTO keyshop.schedule_ticks (name, due_at, created_at)
    SELECT $1, $2::timestamp(3), $3::timestamp(3)
    WHERE NOT EXISTS (
        SELECT FROM keyshop.schedule_ticks WHERE name = $1 AND due_at >= $2::timestamp(3)
    )
    ON CONFLICT DO NOTHING
    RETURNING EXISTS (
        SELECT FROM keyshop.schedule_ticks WHERE name = $1 AND due_at < $2::timestamp(3)
    )
"""
_FORGET: Final = "DELETE FROM keyshop.schedule_ticks WHERE name = $1 AND due_at < $2"


async def run_scheduler(
    db: Database, schedules: Iterable[Schedule], *, stop: asyncio.Event
) -> None:
    """
    Enqueue the job of each schedule whenever it is due, until told to stop.

    A schedule that is new to the database begins with its next moment. Of those that passed while
    nobody watched, the latest is seen to. While the database is away, it tries again.
    """
    seen: dict[str, datetime] = {}
    while not stop.is_set():
        now = utc_now()
        for schedule in schedules:
            due_at = latest_due(schedule, now)
            if seen.get(schedule.name) != due_at and await _is_seen_to(db, schedule, due_at, now):
                seen[schedule.name] = due_at
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _seconds_to_sleep(schedules, utc_now()))


async def enqueue_if_due(
    tx: Transaction, schedule: Schedule, *, due_at: datetime, now: datetime
) -> bool:
    """Enqueue the schedule's job for this moment, unless that was done; tell whether it did."""
    has_begun = await tx.fetchval(_CLAIM, schedule.name, due_at, now)
    if not has_begun:
        return False
    await enqueue(tx, schedule.job(due_at))
    await tx.execute(_FORGET, schedule.name, now - _KEPT)
    await forget_finished_jobs(tx, before=now - _KEPT)
    return True


async def _is_seen_to(db: Database, schedule: Schedule, due_at: datetime, now: datetime) -> bool:
    try:
        async with db.transaction() as tx:
            enqueued = await enqueue_if_due(tx, schedule, due_at=due_at, now=now)
    except Unavailable as error:
        _log.warning("tick postponed", operation=schedule.name, due_at=due_at, reason=str(error))
        return False
    if enqueued:
        _log.info("tick", operation=schedule.name, due_at=due_at)
    return True


def _seconds_to_sleep(schedules: Iterable[Schedule], now: datetime) -> float:
    waits = [next_due(schedule, now) - now for schedule in schedules]
    return min([_MAX_SLEEP, *waits]).total_seconds()
