"""
The write protocol around every COMMIT: INTENT, GUARD, COMMIT, PUBLISH, acknowledge.

A transaction that invalidates nothing costs one short statement more. A process that is killed at
any point leaves a marker, which readers respect until PostgreSQL says how the transaction ended, and
an outbox row, which a relay delivers.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog

from keyshop.kit.cache.invalidate import Change, send_intent, send_publish
from keyshop.kit.cache.metrics import COMMITS, INVALIDATION
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.supervisor import RedisSupervisor
from keyshop.kit.cache.unguarded import closing_seconds, wait_until_invalidated
from keyshop.kit.database.commit import PreparedCommit, ReaderSource
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.transaction import Transaction

_PIPELINE_TIMEOUT: Final = 0.04  # seconds
_DELETE_INTERVAL: Final = 0.1  # seconds
_MAX_ATTEMPTS: Final = 4

_OWN_ROWS: Final = """
    SELECT pg_current_xact_id_if_assigned()::text AS xid, id, keys, groups
    FROM (SELECT) AS once
    LEFT JOIN keyshop.cache_outbox ON xid = pg_current_xact_id_if_assigned()
"""
_GUARD: Final = """
    SELECT incarnation, state,
        extract(epoch FROM clock_timestamp() - closed_at)::float8 AS closed_seconds
    FROM keyshop.cache_guard($1)
"""
# Asynchronous: a deletion that a crash undoes is only delivered once more. SKIP LOCKED: a relay that
# was stopped may hold some of the rows.
_DELETE: Final = """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
    DELETE FROM keyshop.cache_outbox
    WHERE (SELECT mode FROM quick) = 'off' AND id IN (
        SELECT id FROM keyshop.cache_outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED
    )
"""

_log = structlog.get_logger(__name__)


class PreparedInvalidation(PreparedCommit, frozen=True, kw_only=True):
    """A transaction that is ready for COMMIT, and what it invalidates."""

    outbox_ids: tuple[int, ...] = ()
    change: Change | None = None
    """None: it invalidates nothing."""

    connection: RedisConnection | None = None
    """The Redis that holds the markers; None: there are none, and the writer has to wait."""

    closing: float | None = None
    """Seconds until every view from before the CLOSE has expired; None: the cache is open."""

    seconds: float = 0.0
    """The time that INTENT and GUARD took."""


class RedisCommitGuard:
    """The `CommitGuard` of a process; without Redis every writer waits for the relay."""

    def __init__(self, redis: RedisSupervisor | None) -> None:
        self._redis = redis
        self._published_ids: list[int] = []

    async def before_commit(self, tx: Transaction) -> PreparedInvalidation:
        """Mark what the transaction invalidates, in the Redis that readers use."""
        records = await tx.fetch(_OWN_ROWS)
        xid = records[0]["xid"]
        if records[0]["id"] is None:
            return PreparedInvalidation(xid=xid)
        began = time.monotonic()
        change = Change(
            xid,
            sorted({key for record in records for key in record["keys"]}),
            sorted({group for record in records for group in record["groups"]}),
        )
        connection, closing = await self._mark_and_guard(tx, change)
        return PreparedInvalidation(
            xid=xid,
            outbox_ids=tuple(record["id"] for record in records),
            change=change,
            connection=connection,
            closing=closing,
            seconds=time.monotonic() - began,
        )

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        """Publish the change; return when no reader can be served an older value."""
        if not isinstance(prepared, PreparedInvalidation) or prepared.change is None:
            return
        began = time.monotonic()
        change = prepared.change
        published = await self._send_publish(prepared.connection, change)
        if not committed:
            return
        if published:
            self._published_ids += prepared.outbox_ids
            path = "guarded"
        elif prepared.connection is not None:
            path = "unpublished"  # the marker blocks readers until a relay publishes
        else:
            path = await wait_until_invalidated(db, change.xid, closing=prepared.closing)
        _record_invalidation(change, path, prepared.seconds + time.monotonic() - began)

    async def run_cleanup(self, db: ReaderSource) -> None:
        """Delete published rows from the outbox until cancelled."""
        while True:
            await asyncio.sleep(_DELETE_INTERVAL)
            await self.delete_published(db)

    async def delete_published(self, db: ReaderSource) -> None:
        """Delete published rows from the outbox; a relay would only publish them again."""
        if self._published_ids:
            published_ids, self._published_ids = self._published_ids, []
            with suppress(DatabaseUnavailable):
                async with db.read() as reader:
                    await reader.fetch(_DELETE, published_ids)

    async def _mark_and_guard(
        self, tx: Transaction, change: Change
    ) -> tuple[RedisConnection | None, float | None]:
        """INTENT and GUARD; repeat both if PostgreSQL names another Redis than the marked one."""
        connection = None if self._redis is None else self._redis.connection
        for attempts_left in reversed(range(_MAX_ATTEMPTS)):
            if connection is not None and not await self._send_intent(connection, change):
                connection = None
            control = await tx.fetchrow(_GUARD, connection is not None)
            if control is None:
                raise DatabaseUnavailable  # the control table is empty
            if connection is None or connection.incarnation == control["incarnation"]:
                return connection, closing_seconds(control)
            connection = await self._reconnect(connection) if attempts_left > 1 else None
        raise AssertionError

    async def _reconnect(self, connection: RedisConnection) -> RedisConnection | None:
        if self._redis is None:
            return None
        return await self._redis.reconnect(connection, timeout=_PIPELINE_TIMEOUT)

    async def _send_intent(self, connection: RedisConnection, change: Change) -> bool:
        try:
            async with asyncio.timeout(_PIPELINE_TIMEOUT):
                await send_intent(connection, change)
        except (RedisFault, TimeoutError):
            return False
        if self._redis is not None:
            self._redis.reset_failures()
        return True

    async def _send_publish(self, connection: RedisConnection | None, change: Change) -> bool:
        if connection is None:
            return False
        try:
            async with asyncio.timeout(_PIPELINE_TIMEOUT):
                await send_publish(connection, [change])
        except (RedisFault, TimeoutError):
            return False
        return True


def _record_invalidation(change: Change, path: str, seconds: float) -> None:
    COMMITS.labels(path).inc()
    INVALIDATION.labels(path).observe(seconds)
    _log.info(
        "cache.invalidated",
        keys=len(change.keys),
        families=sorted({_first_part(key) for key in change.keys}),
        groups=change.groups,
        path=path,
        milliseconds=round(seconds * 1000, 1),
    )


def _first_part(key: str) -> str:
    # A whole key would name a customer.
    return key.partition(":")[0]
