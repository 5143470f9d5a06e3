"""Which jobs are due at fixed times, and when."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from keyshop.entrypoints.worker.audit import AuditDue
from keyshop.entrypoints.worker.cleanup import CleanupDue
from keyshop.kit.jobs import Job
from keyshop.orders.jobs import OrphansDue
from keyshop.sync.jobs import StockCheckDue, SyncFullDue
from keyshop.wallet.jobs import TopUpExpiryDue

_MIDNIGHT: Final = datetime(2000, 1, 1, tzinfo=UTC)


class Schedule(NamedTuple):
    """A job that is due at regular intervals, counted from midnight UTC."""

    name: str
    """Stored with every tick, and so never changed."""

    job: Callable[[datetime], Job]
    every: timedelta
    offset: timedelta = timedelta(0)


SCHEDULES: Final[tuple[Schedule, ...]] = (
    Schedule(
        "sync.full",
        lambda due_at: SyncFullDue(due_at=due_at),
        every=timedelta(hours=12),
        offset=timedelta(hours=2),
    ),
    Schedule("sync.stock", lambda due_at: StockCheckDue(due_at=due_at), timedelta(minutes=15)),
    Schedule(
        "tidy",
        lambda due_at: CleanupDue(due_at=due_at),
        every=timedelta(hours=1),
        offset=timedelta(minutes=40),
    ),
    Schedule(
        "audit",
        lambda due_at: AuditDue(due_at=due_at),
        every=timedelta(hours=1),
        offset=timedelta(minutes=20),
    ),
    Schedule("wallet.expire", lambda due_at: TopUpExpiryDue(due_at=due_at), timedelta(minutes=5)),
    Schedule("orders.orphans", lambda due_at: OrphansDue(due_at=due_at), timedelta(minutes=1)),
)


def list_schedules(*, synchronises: bool) -> tuple[Schedule, ...]:
    """Return all schedules; if the shop does not synchronise, all but the supplier's."""
    return tuple(each for each in SCHEDULES if synchronises or not each.name.startswith("sync."))


def latest_due(schedule: Schedule, now: datetime) -> datetime:
    """
    Return the last moment, up to and including `now`, at which the schedule was due.

    Earlier moments are skipped: a shop that was down for a day runs one sync, not two.
    """
    start = _MIDNIGHT + schedule.offset
    return start + (now - start) // schedule.every * schedule.every


def next_due(schedule: Schedule, now: datetime) -> datetime:
    """Return the first moment after `now` at which the schedule is due."""
    return latest_due(schedule, now) + schedule.every
