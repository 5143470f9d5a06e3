"""The time that one read may spend on Redis."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

READ_TIMEOUT: Final = 0.06  # seconds for all Redis calls of one read

# Seconds between a command and its reply up to which reads use Redis: a read needs one at least.
MAX_ROUND_TRIP: Final = 0.055
_MAX_ROUND_TRIP_OF_TWO: Final = 0.025


def is_too_far(round_trip: float) -> bool:
    """Test whether no reply would come before a read's deadline."""
    return round_trip > MAX_ROUND_TRIP


def fits_twice(round_trip: float) -> bool:
    """Test whether GET and ACQUIRE can be sent one after the other before a read's deadline."""
    return round_trip <= _MAX_ROUND_TRIP_OF_TWO


def describe_distance(round_trip: float) -> str:
    """Return the sentence for an operator whose Redis is too far away."""
    return f"Redis is {round(round_trip * 1000)} ms away; reads do without it."


class Deadline:
    """The end of a read's Redis calls, on the monotonic clock; waiting for PostgreSQL is not counted."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._ends = began + READ_TIMEOUT

    def elapsed(self) -> float:
        """Return the seconds since the read began."""
        return time.monotonic() - self._began

    def left(self, *, extra: float = 0.0) -> float:
        """Return the seconds until the deadline, or until `extra` seconds after it."""
        return self._ends + extra - time.monotonic()

    def timeout(self) -> asyncio.Timeout:
        """Return a block that ends at the deadline."""
        return asyncio.timeout(self.left())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Move the deadline by the length of the block."""
        paused_at = time.monotonic()
        yield
        self._ends += time.monotonic() - paused_at
