"""Keeps one connection to Redis, and replaces it in the background when it is lost or wrong."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog

from keyshop.kit.cache.control import Control
from keyshop.kit.cache.log_throttle import LogThrottle
from keyshop.kit.cache.redis.address import RedisAddress
from keyshop.kit.cache.redis.connect import connect
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.errors import RedisFault, RedisUnsuitable

# With TLS the connect and the handshake take four round trips of up to 100 ms.
_CONNECT_TIMEOUT: Final = 0.6  # seconds
_RETRY_DELAY: Final = 0.02  # seconds
_MAX_RETRY_DELAY: Final = 0.25  # seconds, after _MAX_FAILURES
_UNSUITABLE_RETRY_DELAY: Final = 1.0  # seconds
_RECONNECT_INTERVAL: Final = 0.25  # seconds between searches for the incarnation of the control row
_MAX_FAILURES: Final = 5  # in a row
_PING_INTERVAL: Final = 0.5  # seconds

_log = structlog.get_logger(__name__)


class RedisSupervisor:
    """
    The connection to Redis of one process and role.

    A request never connects: it uses `connection` as it is, or does without Redis. So an unreachable
    server costs a request nothing. After five failures in a row (a failed connect, or a connection
    without one reply in time) the supervisor waits a quarter of a second before each new try.
    """

    def __init__(self, address: RedisAddress, *, role: str) -> None:
        self._address = address
        self._role = role
        self._shop: str | None = None
        self._seq = -1
        self._connected_at = float("-inf")
        self._connected_seq = -1
        self._control_known = asyncio.Event()
        self._failures = 0
        self._throttle = LogThrottle()
        self._connected = asyncio.Event()
        self._connection: RedisConnection | None = None
        self.fault: str | None = "Redis was not tried yet."

    @property
    def connection(self) -> RedisConnection | None:
        """The connection; None while there is none."""
        connection = self._connection
        return None if connection is None or connection.lost.is_set() else connection

    def follow(self, control: Control) -> None:
        """Drop the connection if the control row names another incarnation than the one behind it."""
        self._shop, self._seq = control.shop, control.seq
        self._control_known.set()
        connection = self.connection
        if connection is None or connection.incarnation == control.incarnation:
            return
        age = time.monotonic() - self._connected_at
        if self._connected_seq != control.seq or (control.is_open and age > _RECONNECT_INTERVAL):
            self._drop(connection)

    def reset_failures(self) -> None:
        """Record that a reply came in time."""
        self._failures = 0

    async def reconnect(self, old: RedisConnection, *, timeout: float) -> RedisConnection | None:
        """Replace `old`; return None if no other connection is there within `timeout` seconds."""
        self._connected.clear()
        if self.connection is old:
            self._drop(old)
        if self.connection is not None:
            return self.connection
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError:
            return None
        return self.connection

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        await self._control_known.wait()
        try:
            while True:
                delay = await self._connect_until_lost()
                await asyncio.sleep(delay)
        finally:
            if self._connection is not None:
                self._connection.close()

    async def measure_round_trips(self) -> None:
        """Ping the server regularly until cancelled, so that `round_trip` stays true."""
        while True:
            await asyncio.sleep(_PING_INTERVAL)
            connection = self.connection
            if connection is not None:
                with suppress(RedisFault):
                    await connection.ping()
                    self.reset_failures()

    def _drop(self, connection: RedisConnection) -> None:
        """Close a connection that works but leads to the wrong server; that is no failure."""
        self._failures -= 1
        connection.close()

    async def _connect_until_lost(self) -> float:
        """Connect, wait until the connection is lost, and return the delay before the next try."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                connection = await connect(self._address, shop=self._shop or "")
        except RedisUnsuitable as error:
            self._record_fault(str(error))
            return _UNSUITABLE_RETRY_DELAY
        except (RedisFault, TimeoutError) as error:
            self._record_fault(str(error) or "Redis does not answer in time.")
        else:
            self._record_connection(connection)
            await connection.lost.wait()
        # Until a reply in time resets it, the connection counts as one more failure.
        self._failures += 1
        return _RETRY_DELAY if self._failures < _MAX_FAILURES else _MAX_RETRY_DELAY

    def _record_connection(self, connection: RedisConnection) -> None:
        if self.fault is not None:
            _log.info("cache.redis_reached", role=self._role)
        self._connection, self.fault = connection, None
        self._connected_at, self._connected_seq = time.monotonic(), self._seq
        self._throttle.reset()
        self._connected.set()

    def _record_fault(self, fault: str) -> None:
        self.fault = fault
        if self._throttle.should_log():
            _log.warning("cache.redis_away", role=self._role, reason=fault)
