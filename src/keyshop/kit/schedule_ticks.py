"""The ticks of schedules: each moment at which a schedule is due is claimed once by all workers."""

from datetime import datetime
from typing import Final

from keyshop.kit.database.transaction import Transaction

# The condition refuses a moment that the others have passed, for a worker whose clock is behind.
# Another worker that is inserting the same row is waited for: it may die before it commits.
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

_DELETE_EXPIRED: Final = "DELETE FROM keyshop.schedule_ticks WHERE name = $1 AND due_at < $2"


async def claim_tick(tx: Transaction, schedule: str, due_at: datetime, *, now: datetime) -> bool:
    """
    Claim this moment of the schedule; return whether its job is to be enqueued.

    It is not when another worker claimed the moment, or when the schedule is new to the database:
    its first moment only records where it begins.
    """
    return bool(await tx.fetchval(_CLAIM, schedule, due_at, now))


async def delete_expired_ticks(tx: Transaction, schedule: str, *, before: datetime) -> None:
    """Delete the schedule's ticks that were due before then."""
    await tx.execute(_DELETE_EXPIRED, schedule, before)
