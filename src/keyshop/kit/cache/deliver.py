"""Delivery of the outbox: what committed transactions invalidate is published and then deleted."""

import asyncio
from typing import Final

import structlog
from asyncpg import Connection, Record

from keyshop.kit.cache.invalidate import Change, send_publish
from keyshop.kit.cache.metrics import RELAYED
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault

_PIPELINE_TIMEOUT: Final = 0.5  # seconds
_BATCH_SIZE: Final = 500  # rows
_MAX_ROWS: Final = 50_000  # beyond that a new epoch is quicker than delivery

# For a second, only its writer delivers and deletes a guarded row.
_LOCK_BATCH: Final = """
    SELECT id, xid::text AS xid, keys, groups FROM keyshop.cache_outbox
    WHERE NOT guarded OR created_at < clock_timestamp() - interval '1 second'
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_ASYNCHRONOUS: Final = "SET LOCAL synchronous_commit = off"
_IS_CURRENT: Final = "SELECT incarnation = $1 FROM keyshop.cache_control"
_DELETE: Final = "DELETE FROM keyshop.cache_outbox WHERE id = ANY($1)"

_HAS_ROWS: Final = "SELECT EXISTS (SELECT FROM keyshop.cache_outbox)"
_HAS_OVERDUE: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.cache_outbox
        WHERE NOT guarded AND created_at < clock_timestamp() - interval '1 second'
    )
"""
_COUNT: Final = "SELECT count(*) FROM (SELECT FROM keyshop.cache_outbox LIMIT $1) AS counted"
_DROP: Final = "SELECT keyshop.cache_drop_outbox()"

_log = structlog.get_logger(__name__)


async def deliver_outbox(db: "Connection[Record]", connection: RedisConnection) -> None:
    """
    PUBLISH the rows of the outbox, and delete them.

    Raises:
        RedisFault: Redis did not confirm, or PostgreSQL names another Redis by now.
    """
    while await _deliver_batch(db, connection) == _BATCH_SIZE:
        pass


async def _deliver_batch(db: "Connection[Record]", connection: RedisConnection) -> int:
    async with db.transaction():
        await db.execute(_ASYNCHRONOUS)
        rows = await db.fetch(_LOCK_BATCH, _BATCH_SIZE)
        if not rows:
            return 0
        async with asyncio.timeout(_PIPELINE_TIMEOUT):
            await send_publish(connection, [_to_change(row) for row in rows])
        if not await db.fetchval(_IS_CURRENT, connection.incarnation):
            raise RedisFault("PostgreSQL names another server by now.")
        await db.execute(_DELETE, [row["id"] for row in rows])
    RELAYED.labels("delivered").inc(len(rows))
    _log.info("cache.relayed", rows=len(rows), keys=sum(len(row["keys"]) for row in rows))
    return len(rows)


async def is_too_long(db: "Connection[Record]") -> bool:
    """Test whether a new epoch is quicker than the delivery of all rows."""
    return bool(await db.fetchval(_COUNT, _MAX_ROWS) >= _MAX_ROWS)


async def has_overdue_rows(db: "Connection[Record]") -> bool:
    """Test whether an unguarded row is older than a second."""
    return bool(await db.fetchval(_HAS_OVERDUE))


async def drop_outbox(db: "Connection[Record]") -> None:
    """Delete all rows undelivered; the next opening begins a new epoch, which needs none of them."""
    if await db.fetchval(_HAS_ROWS):
        RELAYED.labels("dropped").inc(await db.fetchval(_DROP) or 0)


def _to_change(row: Record) -> Change:
    return Change(row["xid"], row["keys"], row["groups"])
