"""The control row as this process last polled it, and how long it may rely on that."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from keyshop.kit.cache.control import MAX_VIEW_AGE, Control, read_control
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_POLL_INTERVAL: Final = 0.2  # seconds
_POLL_TIMEOUT: Final = 0.4  # seconds
_MAX_BEAT_AGE: Final = 1.0  # seconds: how late a foreign writer's change may be seen

_log = structlog.get_logger(__name__)


class TrustView:
    """
    The control row as last polled.

    A CLOSE waits 500 ms until all older views have expired. So a view's age counts from the moment
    its poll was sent, on the monotonic clock.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._polled_at = float("-inf")
        self._subscribers: list[Callable[[Control], None]] = []
        self.control: Control | None = None

    def subscribe(self, subscriber: Callable[[Control], None]) -> None:
        """Call `subscriber` with the control row after every poll."""
        self._subscribers.append(subscriber)

    def find_trusted(self, incarnation: str) -> Control | None:
        """Return the control row if data of this incarnation may be served now."""
        control = self.control
        if control is None or not control.is_open or control.incarnation != incarnation:
            return None
        age = time.monotonic() - self._polled_at
        # Without a relay, readers would not see a foreign write.
        expired = age > MAX_VIEW_AGE or control.beat_seconds + age > _MAX_BEAT_AGE
        return None if expired else control

    async def poll(self, session: ReconnectingConnection) -> None:
        """
        Read the control row.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL does not answer.
        """
        connection = await session.get()
        polled_at = time.monotonic()
        control = await read_control(connection)
        self.control, self._polled_at = control, polled_at
        for subscriber in self._subscribers:
            subscriber(control)

    async def run(self) -> None:
        """Poll until cancelled."""
        lost = False
        async with ReconnectingConnection(self._database_url, timeout=_POLL_TIMEOUT) as session:
            while True:
                try:
                    await self.poll(session)
                    lost = False
                except (*CONNECTION_UNUSABLE, asyncpg.PostgresError) as error:
                    session.drop()
                    if not lost:
                        _log.warning("cache.view_lost", reason=type(error).__name__)
                    lost = True
                await asyncio.sleep(_POLL_INTERVAL)
