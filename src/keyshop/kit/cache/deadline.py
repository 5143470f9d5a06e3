"""The time that one read may spend on Redis."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

READ_TIMEOUT: Final = 0.06  # seconds for all Redis calls of one read


class Deadline:
    """The end of a read's Redis calls, on the monotonic clock; waiting for PostgreSQL is not counted."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._ends = began + READ_TIMEOUT

    def elapsed(self) -> float:
        """Return the seconds since the read began."""
        return time.monotonic() - self._began

    def timeout(self, *, extra: float = 0.0) -> asyncio.Timeout:
        """Return a block that ends at the deadline, or `extra` seconds after it."""
        return asyncio.timeout(self._ends + extra - time.monotonic())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Move the deadline by the length of the block."""
        paused_at = time.monotonic()
        yield
        self._ends += time.monotonic() - paused_at
