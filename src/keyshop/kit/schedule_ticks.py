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

# Without its newest tick, a schedule would be new to the database.
_DELETE_EXPIRED: Final = """
    DELETE FROM keyshop.schedule_ticks WHERE (name, due_at) IN (
        SELECT name, due_at FROM keyshop.schedule_ticks AS old
        WHERE due_at < $1 AND EXISTS (
            SELECT FROM keyshop.schedule_ticks WHERE name = old.name AND due_at > old.due_at
        )
        LIMIT $2
    )
"""
_BATCH_SIZE: Final = 10_000


async def claim_tick(tx: Transaction, schedule: str, due_at: datetime, *, now: datetime) -> bool:
    """
    Claim this moment of the schedule; return whether its job is to be enqueued.

    It is not when another worker claimed the moment, or when the schedule is new to the database:
    its first moment only records where it begins.
    """
    return bool(await tx.fetchval(_CLAIM, schedule, due_at, now))


async def delete_expired_ticks(tx: Transaction, *, before: datetime) -> int:
    """Delete up to 10,000 ticks that were due before then, never a schedule's newest; return how many."""
    return await tx.execute(_DELETE_EXPIRED, before, _BATCH_SIZE)
