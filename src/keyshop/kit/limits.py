"""
Rate limits in PostgreSQL, by GCRA (the generic cell rate algorithm).

A row holds the theoretical arrival time of the next request: the time at which it would arrive if
all came at an even pace. There is no counter, and no window at whose end a new burst may begin.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from msgspec import Struct

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import TooMany

_BATCH_SIZE: Final = 10_000  # rows
_MESSAGE: Final = "Too many attempts. Please wait a moment and try again."

# $2 now, $3 the interval of one request, $4 the interval of a whole burst. A refused request changes
# nothing.
_TAKE: Final = """
    INSERT INTO keyshop.rate_limits AS r (key, arrives_at) VALUES ($1, $2::timestamptz + $3)
    ON CONFLICT (key) DO UPDATE SET arrives_at = greatest(r.arrives_at, $2) + $3
    WHERE greatest(r.arrives_at, $2) + $3 <= $2::timestamptz + $4
    RETURNING true
"""

# A statement of its own: its snapshot contains what others took while _TAKE waited for their locks.
_ARRIVES_AT: Final = "SELECT arrives_at FROM keyshop.rate_limits WHERE key = $1"

_REFUND: Final = """
    UPDATE keyshop.rate_limits SET arrives_at = arrives_at - $2::interval WHERE key = $1
"""

_DELETE: Final = "DELETE FROM keyshop.rate_limits WHERE key = ANY($1)"

# FOR UPDATE tests a row again if another transaction has just changed it. An array, because
# PostgreSQL may run a subquery of IN once for each row, with its locks and its LIMIT each time.
_DELETE_EXPIRED: Final = """
    DELETE FROM keyshop.rate_limits WHERE key = ANY(ARRAY(
        SELECT key FROM keyshop.rate_limits WHERE arrives_at < $1
        ORDER BY arrives_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""


class Limit(Struct, frozen=True):
    """At most `burst` requests at once, and then one in each `per`."""

    name: str
    burst: int
    per: timedelta


async def take(db: Database, limit: Limit, limit_key: str, *, now: datetime) -> None:
    """
    Count one request of `limit_key`; only a digest of it is stored.

    Raises:
        TooMany: the limit is reached; this request is not counted.
    """
    async with db.transaction() as tx:
        await take_within(tx, limit, limit_key, now=now)


async def take_within(tx: Transaction, limit: Limit, limit_key: str, *, now: datetime) -> None:
    """
    Do as `take` in the caller's transaction: what is rolled back was not counted.

    Until that transaction ends, others with the same key wait.

    Raises:
        TooMany: the limit is reached.
    """
    key = _row_key(limit, limit_key)
    if await tx.fetchval(_TAKE, key, now, limit.per, limit.per * limit.burst):
        return
    arrives_at: datetime | None = await tx.fetchval(_ARRIVES_AT, key)
    raise TooMany(_MESSAGE, retry_after=_seconds_until_free(limit, arrives_at, now=now))


async def refund(db: Database, limit: Limit, limit_key: str) -> None:
    """Count one request less for `limit_key`: it turned out to be harmless."""
    async with db.transaction() as tx:
        await tx.execute(_REFUND, _row_key(limit, limit_key), limit.per)


async def delete_limits(tx: Transaction, limit_key: str, *limits: Limit) -> None:
    """Delete the rows of `limit_key`, for a customer whose data are erased or whose lock is lifted."""
    await tx.execute(_DELETE, [_row_key(limit, limit_key) for limit in limits])


async def delete_expired_limits(tx: Transaction, before: datetime) -> int:
    """Delete up to 10,000 rows whose arrival time has passed; return their number."""
    return await tx.execute(_DELETE_EXPIRED, before, _BATCH_SIZE)


def _row_key(limit: Limit, limit_key: str) -> str:
    return f"{limit.name}:{sha256(limit_key.encode(errors='surrogatepass')).hexdigest()}"


def _seconds_until_free(limit: Limit, arrives_at: datetime | None, *, now: datetime) -> float:
    if arrives_at is None:
        # The row was deleted a moment ago.
        return limit.per.total_seconds()
    free_at = arrives_at - limit.per * (limit.burst - 1)
    return max((free_at - now).total_seconds(), 1.0)
