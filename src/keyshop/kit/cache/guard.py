"""
The write protocol around every COMMIT: INTENT, GUARD, COMMIT, PUBLISH, acknowledge.

A transaction that invalidates nothing costs one short statement more. A process that is killed at
any point leaves a marker, which readers heed until it is known how the transaction ended, and a row
of the outbox, which a relay delivers.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog
from asyncpg import Record

from keyshop.kit.cache.connection import RedisConnection, RedisFault
from keyshop.kit.cache.control import CLOSED_FOR
from keyshop.kit.cache.invalidate import Change, send_intent, send_publish
from keyshop.kit.cache.metrics import COMMITS, INVALIDATION
from keyshop.kit.cache.redis_supervisor import RedisSupervisor
from keyshop.kit.database.commit import PreparedCommit, ReaderSource
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.transaction import Transaction

_BUDGET: Final = 0.04  # seconds for one pipeline
_RELAY_TIMEOUT: Final = 0.4  # seconds until a writer closes the cache itself
_DATABASE_TIMEOUT: Final = 5.0
_LOOK_EVERY: Final = 0.02
_DELETE_EVERY: Final = 0.1
_ATTEMPTS: Final = 4

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
_IS_LEFT: Final = "SELECT EXISTS (SELECT FROM keyshop.cache_outbox WHERE xid = $1::text::xid8)"
_CLOSE: Final = "SELECT seq FROM keyshop.cache_close()"
# Lost with the server, they would only be delivered again; and a relay that was stopped holds some.
_DELETE: Final = """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
    DELETE FROM keyshop.cache_outbox
    WHERE (SELECT mode FROM quick) = 'off' AND id IN (
        SELECT id FROM keyshop.cache_outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED
    )
"""

_log = structlog.get_logger(__name__)


class PreparedInvalidation(PreparedCommit, frozen=True, kw_only=True):
    """A transaction that is ready to be committed, and what it invalidates."""

    rows: tuple[int, ...] = ()
    change: Change | None = None
    """None: nothing that anybody keeps."""

    connection: RedisConnection | None = None
    """Where the keys are marked; None: nowhere, and the writer has to wait."""

    still_closing: float | None = None
    """Seconds until no view counts that is older than the CLOSE; None: it is open."""

    seconds: float = 0.0
    """What INTENT and GUARD took."""


class GuardedCommit:
    """The `CommitGuard` of a process; without a link to Redis every writer waits for the relay."""

    def __init__(self, link: RedisSupervisor | None) -> None:
        self._link = link
        self._delivered: list[int] = []

    async def before_commit(self, tx: Transaction) -> PreparedInvalidation:
        """Mark in Redis what the transaction invalidates, and make sure that readers see the marks."""
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
        connection, still_closing = await self._guard(tx, change)
        return PreparedInvalidation(
            xid=xid,
            rows=tuple(record["id"] for record in records),
            change=change,
            connection=connection,
            still_closing=still_closing,
            seconds=time.monotonic() - began,
        )

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        """Let readers have the new values; returns when nobody can be given the old ones."""
        if not isinstance(prepared, PreparedInvalidation) or prepared.change is None:
            return
        began = time.monotonic()
        published = await self._publish(prepared.connection, prepared.change)
        if not committed:
            return
        if published:
            self._delivered += prepared.rows
            path = "guarded"
        elif prepared.connection is not None:
            path = "unpublished"  # the marker keeps readers away until a relay publishes
        else:
            path = await self._wait(db, prepared, prepared.change.xid)
        _tell(prepared.change, path, prepared.seconds + time.monotonic() - began)

    async def keep(self, db: ReaderSource) -> None:
        """Delete what was published from the outbox, until cancelled."""
        while True:
            await asyncio.sleep(_DELETE_EVERY)
            await self.delete_published(db)

    async def delete_published(self, db: ReaderSource) -> None:
        """Delete what was published from the outbox; a relay would only repeat it, harmlessly."""
        if self._delivered:
            delivered, self._delivered = self._delivered, []
            with suppress(DatabaseUnavailable):
                async with db.read() as reader:
                    await reader.fetch(_DELETE, delivered)

    async def _guard(
        self, tx: Transaction, change: Change
    ) -> tuple[RedisConnection | None, float | None]:
        """INTENT and GUARD, anew where PostgreSQL names another Redis than the one that was told."""
        connection = None if self._link is None else self._link.connection
        for left in reversed(range(_ATTEMPTS)):
            if connection is not None and not await self._intend(connection, change):
                connection = None
            control = await tx.fetchrow(_GUARD, connection is not None)
            if control is None:
                raise DatabaseUnavailable  # somebody emptied the control table
            if connection is None or connection.incarnation == control["incarnation"]:
                return connection, _still_closing(control)
            connection = await self._redo(connection) if left > 1 else None
        raise AssertionError

    async def _redo(self, connection: RedisConnection) -> RedisConnection | None:
        return None if self._link is None else await self._link.redo(connection, within=_BUDGET)

    async def _intend(self, connection: RedisConnection, change: Change) -> bool:
        try:
            async with asyncio.timeout(_BUDGET):
                await send_intent(connection, change)
        except (RedisFault, TimeoutError):
            return False
        if self._link is not None:
            self._link.answered()
        return True

    async def _publish(self, connection: RedisConnection | None, change: Change) -> bool:
        if connection is None:
            return False
        try:
            async with asyncio.timeout(_BUDGET):
                await send_publish(connection, [change])
        except (RedisFault, TimeoutError):
            return False
        return True

    async def _wait(self, db: ReaderSource, sealed: PreparedInvalidation, xid: str) -> str:
        until = time.monotonic() + _DATABASE_TIMEOUT
        while True:
            try:
                return await self._wait_once(db, sealed, xid)
            except DatabaseUnavailable:
                # Committed, but an older value may be trusted again as soon as it is back.
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_LOOK_EVERY)

    async def _wait_once(self, db: ReaderSource, sealed: PreparedInvalidation, xid: str) -> str:
        """Unguarded: wait for the relay, else CLOSE and wait until nobody trusts an older view."""
        if sealed.still_closing is not None:
            await _until_delivered(db, xid, seconds=sealed.still_closing)
            return "closed"
        if await _until_delivered(db, xid, seconds=_RELAY_TIMEOUT):
            return "relayed"
        async with db.read() as reader:
            await reader.fetch(_CLOSE)
        await _until_delivered(db, xid, seconds=CLOSED_FOR)
        return "closing"


async def _until_delivered(db: ReaderSource, xid: str, *, seconds: float) -> bool:
    """Wait until the relay has delivered the rows of the transaction, or for so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(_LOOK_EVERY, left))
        async with db.read() as reader:
            if not await reader.fetchval(_IS_LEFT, xid):
                return True
    return False


def _still_closing(control: Record) -> float | None:
    if control["state"] == "OPEN":
        return None
    return max(0.0, CLOSED_FOR - float(control["closed_seconds"]))


def _tell(change: Change, path: str, seconds: float) -> None:
    COMMITS.labels(path).inc()
    INVALIDATION.labels(path).observe(seconds)
    _log.info(
        "cache.invalidated",
        keys=len(change.keys),
        families=sorted({_family(key) for key in change.keys}),
        groups=change.groups,
        path=path,
        milliseconds=round(seconds * 1000, 1),
    )


def _family(key: str) -> str:
    """Return what kind of key it is, without whose."""
    return key.partition(":")[0]
