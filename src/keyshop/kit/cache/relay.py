"""
The relay: delivers what committed transactions left in the outbox, and opens the cache again.

It serves writers that know nothing of the cache (psql, Prisma), those that could not reach Redis,
and those that died after their COMMIT. Any number may run: rows are taken with SKIP LOCKED, and
delivering one twice is a miss, no more.
"""

import asyncio
import time
from datetime import datetime
from typing import Final

import asyncpg
import structlog
from asyncpg import Connection, Record

from keyshop.kit.cache.connection import (
    RedisConnection,
    RedisFault,
    check_suitable,
    parse_info,
    read_token,
)
from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.invalidate import Change, send_publish
from keyshop.kit.cache.metrics import RELAYED
from keyshop.kit.cache.names import token_name
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.recovery import close, open_cold, open_warm
from keyshop.kit.cache.redis_supervisor import RedisSupervisor
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_EVERY: Final = 0.05  # seconds between rounds
_TIMEOUT: Final = 2.0  # seconds for a statement
_BUDGET: Final = 0.5  # seconds for one pipeline
_ROWS: Final = 500
_EXAMINE_EVERY: Final = 1.0  # seconds
_SAY_EVERY: Final = 10.0  # seconds between log lines about one outage
_TOO_FAR_BEHIND: Final = 50_000  # rows

# A guarded row is its writer's to deliver and to delete, for a second.
_TAKE: Final = """
    SELECT id, xid::text AS xid, keys, groups FROM keyshop.cache_outbox
    WHERE NOT guarded OR created_at < clock_timestamp() - interval '1 second'
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_IS_CURRENT: Final = "SELECT incarnation = $1 FROM keyshop.cache_control"
_DELETE: Final = "DELETE FROM keyshop.cache_outbox WHERE id = ANY($1)"
_DROP: Final = "SELECT keyshop.cache_drop_outbox()"
_HAS_ROWS: Final = "SELECT EXISTS (SELECT FROM keyshop.cache_outbox)"
_BEHIND: Final = "SELECT count(*) FROM (SELECT FROM keyshop.cache_outbox LIMIT $1) AS counted"
_NOW: Final = "SELECT clock_timestamp()"

# Rows that another relay holds are seen here all the same. What nobody delivers stays unseen by
# readers, and without a beat they trust for no longer than a second.
_BEAT: Final = """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
    UPDATE keyshop.cache_control SET relay_beat = $1
    WHERE (SELECT mode FROM quick) = 'off'
        AND relay_beat < $1::timestamptz - interval '150 milliseconds'
        AND NOT EXISTS (
            SELECT FROM keyshop.cache_outbox WHERE NOT guarded AND created_at <= $1
        )
"""
_HAS_OLD: Final = """
    SELECT EXISTS (
        SELECT FROM keyshop.cache_outbox
        WHERE NOT guarded AND created_at < clock_timestamp() - interval '1 second'
    )
"""
_ASYNCHRONOUS: Final = "SET LOCAL synchronous_commit = off"

_log = structlog.get_logger(__name__)


class Relay:
    """Works until cancelled; without a link it only sees to it that nobody waits for it."""

    def __init__(self, database_url: str, link: RedisSupervisor | None) -> None:
        self._session = ReconnectingConnection(database_url, timeout=_TIMEOUT)
        self._link = link
        self._examined_at = float("-inf")
        self._said_at = float("-inf")

    async def keep(self) -> None:
        """Make rounds until cancelled."""
        async with self._session:
            while True:
                await self._round_safely()
                await asyncio.sleep(_EVERY)

    async def _round_safely(self) -> None:
        try:
            await self.round()
        except RedisFault as error:
            self._say(str(error))
        except CONNECTION_UNUSABLE as error:
            self._session.drop()
            self._say(type(error).__name__)
        except asyncpg.PostgresError as error:
            self._session.drop()
            _log.warning("cache.relay_failed", reason=str(error))
            await asyncio.sleep(1)

    def _say(self, reason: str) -> None:
        """Log that a round came to nothing, at most once in ten seconds: there are 20 in each."""
        if time.monotonic() - self._said_at > _SAY_EVERY:
            self._said_at = time.monotonic()
            _log.info("cache.relay_interrupted", reason=reason)

    async def round(self) -> None:
        """
        Look once, and do what the state of the cache asks for.

        Raises:
            RedisFault: Redis was lost on the way; the next round finds what is left.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL was.
        """
        db = await self._session.use()
        began: datetime = await db.fetchval(_NOW)
        control = await read_control(db)
        connection = await self._reach(control)
        if connection is None:
            await self._without_redis(db, control)
        elif connection.incarnation != control.incarnation or control.cold_next:
            await self._recover_cold(db, control, connection)
        elif await db.fetchval(_BEHIND, _TOO_FAR_BEHIND) >= _TOO_FAR_BEHIND:
            await self._start_anew(db, control)
        else:
            await self._deliver_all(db, connection)
            if control.is_open:
                await db.execute(_BEAT, began)
            else:
                await open_warm(db, control)

    async def _reach(self, control: Control) -> RedisConnection | None:
        """Return the connection, if the server behind it is what it was and may be used."""
        if self._link is None:
            return None
        self._link.follow(control)
        connection = self._link.connection
        if connection is None:
            return None
        async with asyncio.timeout(_BUDGET):
            await self._examine(connection, control)
        self._link.answered()
        return connection

    async def _examine(self, connection: RedisConnection, control: Control) -> None:
        token = await connection.call("GET", token_name(control.shop))
        if read_token(token) != connection.token:
            connection.close()
            raise RedisFault("The server was emptied.")
        if time.monotonic() - self._examined_at > _EXAMINE_EVERY:
            # Promoted, demoted or told to throw away markers: nobody would say so.
            told = parse_info(await connection.call("INFO"))
            self._examined_at = time.monotonic()
            try:
                check_suitable(told)
            except RedisFault:
                connection.close()
                raise

    async def _deliver_all(self, db: "Connection[Record]", connection: RedisConnection) -> None:
        while await self.deliver(db, connection) == _ROWS:
            pass

    async def deliver(self, db: "Connection[Record]", connection: RedisConnection) -> int:
        """
        PUBLISH rows and delete them; returns how many.

        Raises:
            RedisFault: Redis did not confirm, or is not the one that PostgreSQL names any more.
        """
        async with db.transaction():
            await db.execute(_ASYNCHRONOUS)
            rows = await db.fetch(_TAKE, _ROWS)
            if not rows:
                return 0
            async with asyncio.timeout(_BUDGET):
                await send_publish(connection, [_change(row) for row in rows])
            if not await db.fetchval(_IS_CURRENT, connection.incarnation):
                raise RedisFault("PostgreSQL names another server by now.")
            await db.execute(_DELETE, [row["id"] for row in rows])
        RELAYED.labels("delivered").inc(len(rows))
        _log.info("cache.relayed", rows=len(rows), keys=sum(len(row["keys"]) for row in rows))
        return len(rows)

    async def _without_redis(self, db: "Connection[Record]", control: Control) -> None:
        if not control.is_open:
            await self._drop(db)
        elif await db.fetchval(_HAS_OLD):
            await close(db, control, reason="A change cannot be delivered.")

    async def _start_anew(self, db: "Connection[Record]", control: Control) -> None:
        """Give up on delivering row by row: a new epoch is quicker."""
        if control.is_open:
            await close(db, control, reason="The outbox is too long.")
        else:
            await self._drop(db)

    async def _drop(self, db: "Connection[Record]") -> None:
        """Delete rows undelivered; whoever opens next begins a new epoch, which needs none."""
        if await db.fetchval(_HAS_ROWS):
            RELAYED.labels("dropped").inc(await db.fetchval(_DROP) or 0)

    async def _recover_cold(
        self, db: "Connection[Record]", control: Control, connection: RedisConnection
    ) -> None:
        if await open_cold(db, control, connection) and self._link is not None:
            self._link.follow(await read_control(db))


def _change(row: Record) -> Change:
    return Change(row["xid"], row["keys"], row["groups"])
