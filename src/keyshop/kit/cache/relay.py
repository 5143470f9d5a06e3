"""
The relay: delivers the outbox, and opens the cache again after a fault.

It serves writers that know nothing of the cache (psql, Prisma), writers that could not reach Redis,
and writers that died after their COMMIT. Any number of relays may run: each locks its rows with SKIP
LOCKED, and a row that is delivered twice only costs a miss.
"""

import asyncio
import time
from datetime import datetime
from typing import Final

import asyncpg
import structlog
from asyncpg import Connection, Record

from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.deliver import (
    deliver_outbox,
    drop_outbox,
    has_overdue_rows,
    is_too_long,
)
from keyshop.kit.cache.log_throttle import LogThrottle
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.recovery import close, open_cold, open_warm
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.key_names import token_name
from keyshop.kit.cache.redis.server_info import check_suitable, parse_info, parse_token
from keyshop.kit.cache.redis.supervisor import RedisSupervisor
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_ROUND_INTERVAL: Final = 0.1  # seconds
_STATEMENT_TIMEOUT: Final = 2.0  # seconds
_CHECK_TIMEOUT: Final = 0.5  # seconds
_INFO_INTERVAL: Final = 1.0  # seconds
_RETRY_DELAY: Final = 1.0  # seconds after a statement failed

_NOW: Final = "SELECT clock_timestamp()"

# Unlike the delivery, the beat counts rows that another relay has locked. While a row stays
# undelivered there is no beat, and readers stop trusting Redis after a second.
_BEAT: Final = """
    WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode)
    UPDATE keyshop.cache_control SET relay_beat = $1
    WHERE (SELECT mode FROM quick) = 'off'
        AND relay_beat < $1::timestamptz - interval '300 milliseconds'
        AND NOT EXISTS (
            SELECT FROM keyshop.cache_outbox WHERE NOT guarded AND created_at <= $1
        )
"""

_log = structlog.get_logger(__name__)


class Relay:
    """Works until cancelled; without Redis it only ensures that no writer waits for it."""

    def __init__(self, database_url: str, redis: RedisSupervisor | None) -> None:
        self._session = ReconnectingConnection(database_url, timeout=_STATEMENT_TIMEOUT)
        self._redis = redis
        self._info_read_at = float("-inf")
        self._throttle = LogThrottle()

    async def run(self) -> None:
        """Make rounds until cancelled."""
        async with self._session:
            while True:
                await self._run_round_safely()
                await asyncio.sleep(_ROUND_INTERVAL)

    async def _run_round_safely(self) -> None:
        try:
            await self.run_round()
        except RedisFault as error:
            self._log_interruption(str(error))
        except CONNECTION_UNUSABLE as error:
            self._session.drop()
            self._log_interruption(type(error).__name__)
        except asyncpg.PostgresError as error:
            self._session.drop()
            if self._throttle.should_log():
                _log.warning("cache.relay_failed", reason=str(error))
            await asyncio.sleep(_RETRY_DELAY)

    def _log_interruption(self, reason: str) -> None:
        if self._throttle.should_log():
            _log.info("cache.relay_interrupted", reason=reason)

    async def run_round(self) -> None:
        """
        Do what the state of the cache requires.

        Raises:
            RedisFault: Redis was lost; the next round finds what is left.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL was lost.
        """
        db = await self._session.get()
        began: datetime = await db.fetchval(_NOW)
        control = await read_control(db)
        connection = await self._find_checked_connection(control)
        if connection is None or control.blocked is not None:
            await self._run_without_redis(db, control)
        elif connection.incarnation != control.incarnation or control.cold_next:
            await self._recover_cold(db, control, connection)
        elif await is_too_long(db):
            await self._give_up_outbox(db, control)
        else:
            await deliver_outbox(db, connection)
            if control.is_open:
                await db.execute(_BEAT, began)
            else:
                await open_warm(db, control)

    async def _find_checked_connection(self, control: Control) -> RedisConnection | None:
        """Return the connection if its server has kept its data and the shop can still use it."""
        if self._redis is None:
            return None
        self._redis.follow(control)
        connection = self._redis.connection
        if connection is None:
            return None
        async with asyncio.timeout(_CHECK_TIMEOUT):
            await self._check_server(connection, control)
        self._redis.reset_failures()
        return connection

    async def _check_server(self, connection: RedisConnection, control: Control) -> None:
        token = await connection.call("GET", token_name(control.shop))
        if parse_token(token) != connection.token:
            connection.close()
            raise RedisFault("The server was emptied.")
        if time.monotonic() - self._info_read_at > _INFO_INTERVAL:
            # A server does not announce that it was demoted or that its policy has changed.
            info = parse_info(await connection.call("INFO"))
            self._info_read_at = time.monotonic()
            try:
                check_suitable(info)
            except RedisFault:
                connection.close()
                raise

    async def _run_without_redis(self, db: "Connection[Record]", control: Control) -> None:
        if not control.is_open:
            await drop_outbox(db)
        elif await has_overdue_rows(db):
            await close(db, control, reason="A change cannot be delivered.")

    async def _give_up_outbox(self, db: "Connection[Record]", control: Control) -> None:
        if control.is_open:
            await close(db, control, reason="The outbox is too long.")
        else:
            await drop_outbox(db)

    async def _recover_cold(
        self, db: "Connection[Record]", control: Control, connection: RedisConnection
    ) -> None:
        if await open_cold(db, control, connection) and self._redis is not None:
            self._redis.follow(await read_control(db))
