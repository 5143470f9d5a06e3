"""Keeps one connection to Redis, and makes it anew in the background whenever it is of no use."""

import asyncio
import time
from typing import Final

import structlog

from keyshop.kit.cache.address import RedisAddress
from keyshop.kit.cache.connection import (
    RedisConnection,
    RedisFault,
    RedisUnsuitable,
    connect,
)
from keyshop.kit.cache.control import Control

_HANDSHAKE: Final = 0.3  # seconds
_FIRST_PAUSE: Final = 0.02  # seconds until the next try
_MAX_PAUSE: Final = 0.25
_UNSUITABLE_PAUSE: Final = 1.0
_REDO_EVERY: Final = 0.25  # seconds between looks for the incarnation that PostgreSQL names
_TRIES: Final = 5  # failures in a row after which the server counts as away
_SAY_EVERY: Final = 10.0  # seconds between log lines about one outage

_log = structlog.get_logger(__name__)


class RedisSupervisor:
    """
    The way to Redis of one process.

    A request never connects: it uses `connection` as it finds it, or does without. So a server that
    is away costs nothing, and one that takes five connections in a row and answers on none of them
    is left alone for a quarter of a second each time.
    """

    def __init__(self, address: RedisAddress, *, role: str) -> None:
        self._address = address
        self._role = role
        self._shop: str | None = None
        self._seq = -1
        self._made_at = float("-inf")
        self._made_for = -1
        self._known = asyncio.Event()
        self._failures = 0
        self._said_at = float("-inf")
        self._made = asyncio.Event()
        self._connection: RedisConnection | None = None
        self.fault: str | None = "It was not tried yet."

    @property
    def connection(self) -> RedisConnection | None:
        """The connection, if there is one."""
        connection = self._connection
        return None if connection is None or connection.lost.is_set() else connection

    def follow(self, control: Control) -> None:
        """Heed what PostgreSQL names as the incarnation; leave a connection to another one."""
        self._shop, self._seq = control.shop, control.seq
        self._known.set()
        connection = self.connection
        if connection is None or connection.incarnation == control.incarnation:
            return
        waited = time.monotonic() - self._made_at
        if self._made_for != control.seq or (control.is_open and waited > _REDO_EVERY):
            self._leave(connection)

    def answered(self) -> None:
        """Count a reply in time."""
        self._failures = 0

    async def redo(self, old: RedisConnection, *, within: float) -> RedisConnection | None:
        """Return another connection than `old`, if one can be had within so many seconds."""
        self._made.clear()
        if self.connection is old:
            self._leave(old)
        if self.connection is not None:
            return self.connection
        try:
            async with asyncio.timeout(within):
                await self._made.wait()
        except TimeoutError:
            return None
        return self.connection

    async def keep(self) -> None:
        """Keep a connection until cancelled."""
        await self._known.wait()
        try:
            while True:
                pause = await self._try_once()
                await asyncio.sleep(pause)
        finally:
            if self._connection is not None:
                self._connection.close()

    def _leave(self, connection: RedisConnection) -> None:
        """Give up a connection that works, but leads to another server than the one that counts."""
        self._failures -= 1
        connection.close()

    async def _try_once(self) -> float:
        """Connect, stay until the connection is lost, and return how long to pause after it."""
        try:
            async with asyncio.timeout(_HANDSHAKE):
                connection = await connect(self._address, shop=self._shop or "")
        except RedisUnsuitable as error:
            self._note(str(error))
            return _UNSUITABLE_PAUSE
        except (RedisFault, TimeoutError) as error:
            self._note(str(error) or "Redis does not answer in time.")
            self._failures += 1
            return _FIRST_PAUSE if self._failures < _TRIES else _MAX_PAUSE
        self._take(connection)
        await connection.lost.wait()
        # Until a reply in time says otherwise, this one has failed.
        self._failures += 1
        return _MAX_PAUSE if self._failures >= _TRIES else _FIRST_PAUSE

    def _take(self, connection: RedisConnection) -> None:
        if self.fault is not None:
            _log.info("cache.redis_reached", role=self._role)
        self._connection, self.fault = connection, None
        self._made_at, self._made_for = time.monotonic(), self._seq
        self._said_at = float("-inf")
        self._made.set()

    def _note(self, fault: str) -> None:
        self.fault = fault
        if time.monotonic() - self._said_at > _SAY_EVERY:
            self._said_at = time.monotonic()
            _log.warning("cache.redis_away", role=self._role, reason=fault)
