"""What this process knows of the control row, and for how long that may be relied on."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from keyshop.kit.cache.control import CLOSED_FOR, Control, read_control
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_EVERY: Final = 0.1  # seconds between polls
_TIMEOUT: Final = 0.4  # seconds for one poll
_MAX_BEAT: Final = 1.0  # seconds: how late a foreign writer's change may be seen

_log = structlog.get_logger(__name__)


class TrustView:
    """
    The control row as last polled.

    A CLOSE waits 500 ms for all views from before it to lapse, so a view counts from the moment its
    poll was sent, on a clock that nobody sets.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._began = float("-inf")
        self._listeners: list[Callable[[Control], None]] = []
        self.control: Control | None = None

    def listen(self, listener: Callable[[Control], None]) -> None:
        """Tell `listener` of every poll."""
        self._listeners.append(listener)

    def trusted(self, incarnation: str) -> Control | None:
        """Return the row if what this Redis holds may be believed at this moment."""
        control = self.control
        if control is None or not control.is_open or control.incarnation != incarnation:
            return None
        age = time.monotonic() - self._began
        # Without a relay a foreign write would stay unseen.
        lapsed = age > CLOSED_FOR or control.beat_seconds + age > _MAX_BEAT
        return None if lapsed else control

    async def poll(self, session: ReconnectingConnection) -> None:
        """
        Look at the control row.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL does not answer.
        """
        connection = await session.use()
        began = time.monotonic()
        control = await read_control(connection)
        self.control, self._began = control, began
        for listener in self._listeners:
            listener(control)

    async def keep(self) -> None:
        """Poll until cancelled."""
        away = False
        async with ReconnectingConnection(self._database_url, timeout=_TIMEOUT) as session:
            while True:
                try:
                    await self.poll(session)
                    away = False
                except (*CONNECTION_UNUSABLE, asyncpg.PostgresError) as error:
                    session.drop()
                    if not away:
                        _log.warning("cache.view_lost", reason=type(error).__name__)
                    away = True
                await asyncio.sleep(_EVERY)
