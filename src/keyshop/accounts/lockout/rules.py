"""How long wrong passwords lock an address; no I/O."""

from datetime import timedelta
from typing import Final

MAX_FAILURES: Final = 5
"""Wrong passwords in a row that lock an address."""

INITIAL_LOCK: Final = timedelta(minutes=1)
MAX_LOCK: Final = timedelta(minutes=15)
FAILURE_TTL: Final = timedelta(hours=24)
"""A wrong password that comes later than this after the last one counts as the first."""


def lock_duration(failures: int) -> timedelta | None:
    """Return how long this number of wrong passwords in a row locks; None: it does not."""
    if failures < MAX_FAILURES:
        return None
    # Four doublings reach MAX_LOCK; a shift by thousands would overflow.
    doublings = min(failures - MAX_FAILURES, 4)
    return min(INITIAL_LOCK * (1 << doublings), MAX_LOCK)
