"""What an operator asks of the cache, and the one thing to be done by hand: to drop everything."""

import asyncio
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.address import parse_address
from keyshop.kit.cache.connection import RedisConnection, RedisFault, connect
from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.recovery import close
from keyshop.kit.database.errors import CONNECTION_UNUSABLE, DatabaseUnavailable
from keyshop.kit.database.transaction import Reader

_TIMEOUT: Final = 5.0  # seconds for one statement
_REDIS_TIMEOUT: Final = 1.0
_MAX_OPENING: Final = 5.0  # seconds for a relay to open the cache again
_LATE: Final = 1.0  # seconds without a relay after which nobody trusts what is kept
_EVERY: Final = 0.1

_OUTBOX: Final = """
    SELECT count(*) AS rows, count(*) FILTER (WHERE NOT guarded) AS unguarded,
        coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest
    FROM keyshop.cache_outbox
"""
_FIGURES: Final = """
    SELECT state = 'OPEN' AS is_open, seq, beat_seconds FROM keyshop.cache_view()
"""
_DEMAND_COLD: Final = "SELECT keyshop.cache_demand_cold()"


class Outbox(Struct, frozen=True):
    """What has not been delivered yet; rows, and the age of the oldest in seconds."""

    rows: int
    unguarded: int
    oldest: float


class CacheStatus(Struct, frozen=True, kw_only=True):
    """The cache as a process that starts now would find it."""

    trusted: bool
    reason: str | None
    """Why what is kept is not trusted."""

    state: str
    epoch: str
    seq: int
    closed_seconds: float | None
    relay_seconds: float
    """Time since a relay last delivered everything."""

    redis: str | None
    """Why Redis cannot be used; None: it can."""

    outbox: Outbox


class CacheStatistics(Struct, frozen=True):
    """What /metrics tells of the control row; times in seconds."""

    is_open: bool
    seq: int
    beat_seconds: float


async def read_status(database_url: str, redis_url: str | None) -> CacheStatus:
    """
    Look at PostgreSQL and at Redis.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer.
        Invalid: an address is none.
    """
    try:
        async with ReconnectingConnection(database_url, timeout=_TIMEOUT) as session:
            db = await session.use()
            control = await read_control(db)
            record = await db.fetchrow(_OUTBOX)
    except CONNECTION_UNUSABLE as error:
        raise DatabaseUnavailable from error
    connection, fault = await _reach(redis_url, control.shop)
    reason = _why_not(control, connection, fault)
    if connection is not None:
        connection.close()
    return CacheStatus(
        trusted=reason is None,
        reason=reason,
        state="OPEN" if control.is_open else "CLOSED",
        epoch=control.epoch,
        seq=control.seq,
        closed_seconds=None if control.is_open else control.closed_seconds,
        relay_seconds=control.beat_seconds,
        redis=fault,
        outbox=Outbox(*(record or (0, 0, 0.0))),
    )


async def clear(database_url: str) -> bool:
    """
    Drop all that is kept, whatever it is; safe at any time.

    Returns whether a relay has opened the cache again, empty; without one it stays closed, and
    everything is read from PostgreSQL.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer; nothing was dropped.
    """
    try:
        async with ReconnectingConnection(database_url, timeout=_TIMEOUT) as session:
            db = await session.use()
            # Once more where a relay has opened it in between.
            while not await db.fetchval(_DEMAND_COLD):
                await close(db, await read_control(db), reason="An operator drops everything.")
            closed = await read_control(db)
            for _ in range(int(_MAX_OPENING / _EVERY)):
                await asyncio.sleep(_EVERY)
                control = await read_control(db)
                if control.is_open and control.epoch != closed.epoch:
                    return True
    except CONNECTION_UNUSABLE as error:
        raise DatabaseUnavailable from error
    return False


async def read_figures(reader: Reader) -> tuple[CacheStatistics, Outbox]:
    """Return what is counted in PostgreSQL."""
    figures = await reader.fetchrow(_FIGURES)
    outbox = await reader.fetchrow(_OUTBOX)
    return CacheStatistics(*(figures or (False, 0, 0.0))), Outbox(*(outbox or (0, 0, 0.0)))


async def _reach(redis_url: str | None, shop: str) -> tuple[RedisConnection | None, str | None]:
    if redis_url is None:
        return None, "The shop runs without Redis, by its settings."
    try:
        async with asyncio.timeout(_REDIS_TIMEOUT):
            return await connect(parse_address(redis_url), shop=shop), None
    except TimeoutError:
        return None, "Redis does not answer in time."
    except RedisFault as error:
        return None, str(error)


def _why_not(control: Control, connection: RedisConnection | None, fault: str | None) -> str | None:
    if connection is None:
        return fault
    if not control.is_open:
        return "It is closed; a running worker opens it when nothing old can be read."
    if connection.incarnation != control.incarnation:
        return "Redis is another one than before, or was emptied; a running worker sees to it."
    if control.beat_seconds > _LATE:
        return "No worker delivers changes; start `keyshop worker`."
    return None
