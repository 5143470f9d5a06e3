"""
How often somebody may do something, kept in PostgreSQL.

One row says when the next one would arrive if all came at an even pace (GCRA); nothing is counted,
and no window ends at which everybody may begin anew.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from msgspec import Struct

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import TooMany

_AT_ONCE: Final = 10_000  # rows that one transaction forgets
_SENTENCE: Final = "Too many attempts. Please wait a moment and try again."

# $2 now, $3 the time for one, $4 the time for a whole burst. Where the WHERE refuses, the row stays
# as it is.
_TAKE: Final = """
    INSERT INTO keyshop.rate_limits AS r (key, arrives_at) VALUES ($1, $2::timestamptz + $3)
    ON CONFLICT (key) DO UPDATE SET arrives_at = greatest(r.arrives_at, $2) + $3
    WHERE greatest(r.arrives_at, $2) + $3 <= $2::timestamptz + $4
    RETURNING true
"""

# A statement of its own: what others took while the one before waited for them is to be seen.
_ARRIVES_AT: Final = "SELECT arrives_at FROM keyshop.rate_limits WHERE key = $1"

_GIVE_BACK: Final = """
    UPDATE keyshop.rate_limits SET arrives_at = arrives_at - $2::interval WHERE key = $1
"""

_FORGET_WHO: Final = "DELETE FROM keyshop.rate_limits WHERE key = ANY($1)"

# Locked first: a row that somebody has just taken from is looked at again. As an array: PostgreSQL
# may run a subquery of IN anew for each row, and it locks and limits each time.
_FORGET: Final = """
    DELETE FROM keyshop.rate_limits WHERE key = ANY(ARRAY(
        SELECT key FROM keyshop.rate_limits WHERE arrives_at < $1
        ORDER BY arrives_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ))
"""


class Limit(Struct, frozen=True):
    """So many at once, and then one in each span of time."""

    name: str
    burst: int
    per: timedelta


async def take(db: Database, limit: Limit, who: str, *, now: datetime) -> None:
    """
    Count one for `who`, of whom only a digest is stored.

    Raises:
        TooMany: there were too many; this one is not counted.
    """
    key = _key(limit, who)
    async with db.transaction() as tx:
        if await tx.fetchval(_TAKE, key, now, limit.per, limit.per * limit.burst):
            return
        arrives_at: datetime | None = await tx.fetchval(_ARRIVES_AT, key)
    raise TooMany(_SENTENCE, retry_after=_wait(limit, arrives_at, now=now))


async def refund(db: Database, limit: Limit, who: str) -> None:
    """Count one less for `who`: what was counted turned out to be harmless."""
    async with db.transaction() as tx:
        await tx.execute(_GIVE_BACK, _key(limit, who), limit.per)


async def forget_who(tx: Transaction, who: str, *limits: Limit) -> None:
    """Let nothing be counted for `who` any more, whom the shop is to know nothing of."""
    await tx.execute(_FORGET_WHO, [_key(limit, who) for limit in limits])


async def delete_expired_limits(tx: Transaction, before: datetime) -> int:
    """Delete rows that limit nobody since then, up to 10,000; return how many there were."""
    return await tx.execute(_FORGET, before, _AT_ONCE)


def _key(limit: Limit, who: str) -> str:
    return f"{limit.name}:{sha256(who.encode(errors='surrogatepass')).hexdigest()}"


def _wait(limit: Limit, arrives_at: datetime | None, *, now: datetime) -> float:
    """Return the seconds until one more fits."""
    if arrives_at is None:
        # Forgotten in this very moment.
        return limit.per.total_seconds()
    free_at = arrives_at - limit.per * (limit.burst - 1)
    return max((free_at - now).total_seconds(), 1.0)
