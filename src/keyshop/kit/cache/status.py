"""The state of the cache, for an operator."""

import asyncio
from typing import Final

from msgspec import Struct

from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.deadline import describe_distance, is_too_far
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.connect import connect
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.statistics import OUTBOX, OutboxStatistics
from keyshop.kit.database.errors import CONNECTION_UNUSABLE, DatabaseUnavailable

_STATEMENT_TIMEOUT: Final = 5.0  # seconds
_REDIS_TIMEOUT: Final = 1.0  # seconds
_MAX_BEAT_AGE: Final = 1.0  # seconds without a relay after which no process trusts Redis


class CacheStatus(Struct, frozen=True, kw_only=True):
    """The cache as a process that starts now would find it."""

    trusted: bool
    """Whether reads use Redis."""

    reason: str | None
    """Why reads do not use Redis."""

    state: str
    epoch: str
    seq: int
    closed_seconds: float | None
    relay_seconds: float
    """Time since a relay last delivered everything."""

    redis: str | None
    """Why Redis cannot be used; None: it can."""

    round_trip_seconds: float | None
    """Time between a command and its reply; None: there is no connection."""

    outbox: OutboxStatistics


async def read_status(database_url: str, redis_url: str | None) -> CacheStatus:
    """
    Return the state of the cache, from PostgreSQL and from Redis itself.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer.
        Invalid: an address cannot be parsed.
    """
    try:
        async with ReconnectingConnection(database_url, timeout=_STATEMENT_TIMEOUT) as session:
            db = await session.get()
            control = await read_control(db)
            record = await db.fetchrow(OUTBOX)
    except CONNECTION_UNUSABLE as error:
        raise DatabaseUnavailable from error
    connection, fault = await _try_connect(redis_url, control.shop)
    reason = _find_distrust(control, connection, fault)
    if connection is not None:
        if reason is None and is_too_far(connection.round_trip):
            reason = describe_distance(connection.round_trip)
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
        round_trip_seconds=None if connection is None else connection.round_trip,
        outbox=OutboxStatistics(*(record or (0, 0, 0.0))),
    )


async def _try_connect(
    redis_url: str | None, shop: str
) -> tuple[RedisConnection | None, str | None]:
    """Return the connection, or a sentence that says why there is none."""
    if redis_url is None:
        return None, "The shop runs without Redis, by its settings."
    try:
        async with asyncio.timeout(_REDIS_TIMEOUT):
            return await connect(parse_address(redis_url), shop=shop), None
    except TimeoutError:
        return None, "Redis does not answer in time."
    except RedisFault as error:
        return None, str(error)


def _find_distrust(
    control: Control, connection: RedisConnection | None, fault: str | None
) -> str | None:
    """Return why Redis is not trusted; None: it is."""
    if connection is None:
        return fault
    if control.blocked is not None:
        return control.blocked
    if not control.is_open:
        return "The cache is closed; a running worker opens it when no old value can be read."
    if connection.incarnation != control.incarnation:
        return "Redis is another server, or was emptied; a running worker opens the cache on it."
    if control.beat_seconds > _MAX_BEAT_AGE:
        return "No worker delivers changes; start `keyshop worker`."
    return None
