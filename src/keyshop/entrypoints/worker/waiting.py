"""A worker that cannot work at the moment says why in its log, waits, and tries again."""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from keyshop.kit.database.errors import CONNECTION_UNUSABLE
from keyshop.kit.errors import Unavailable

_FIRST_DELAY: Final = 0.5  # seconds, doubled after each failure
_MAX_DELAY: Final = 10.0  # seconds

# Being restored, read-only, full, out of connections, restarting: all of them pass.
_EXPECTED: Final = (*CONNECTION_UNUSABLE, asyncpg.PostgresError, Unavailable)

_log = structlog.get_logger(__name__)


class Waiting:
    """The growing delays between the attempts of one part of the worker."""

    def __init__(self, operation: str, stop: asyncio.Event) -> None:
        """Store the name that log lines show, and the event that ends every delay."""
        self._operation = operation
        self._stop = stop
        self._delay = _FIRST_DELAY

    def reset(self) -> None:
        """Record that an attempt succeeded."""
        self._delay = _FIRST_DELAY

    async def wait_after(self, error: Exception) -> None:
        """Log the error, and return when the next attempt is due or the worker stops."""
        log_failure(error, operation=self._operation)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._delay)
        self._delay = min(self._delay * 2, _MAX_DELAY)


def log_failure(error: Exception, *, operation: str, **details: object) -> None:
    """Log one line; an error that PostgreSQL is not known for is logged with its traceback."""
    if isinstance(error, _EXPECTED):
        reason = f"{type(error).__name__}: {error}"
        _log.warning("database unavailable", operation=operation, reason=reason, **details)
    else:
        _log.error("worker.failed", operation=operation, exc_info=error, **details)
