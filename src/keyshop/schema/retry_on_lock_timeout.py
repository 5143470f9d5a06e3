"""Repeats transactions that change tables which a running shop uses."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from keyshop.kit.errors import Conflict

_Result = TypeVar("_Result")

# Short, because later requests for the table queue behind a waiting lock. Below deadlock_timeout (1 s),
# after which PostgreSQL could abort the shop's transaction instead of this one.
LOCK_TIMEOUT: Final = "400ms"

_MAX_WAIT: Final = 5.0  # seconds, for all attempts together
_RETRY_DELAY: Final = 0.2  # seconds in which the shop's transactions proceed


async def retry_on_lock_timeout(act: Callable[[], Awaitable[_Result]]) -> _Result:
    """
    Repeat a transaction that sets LOCK_TIMEOUT until it gets its locks, for at most five seconds.

    Raises the error of the last attempt.
    """
    deadline = time.monotonic() + _MAX_WAIT
    while True:
        try:
            return await act()
        except Conflict as error:
            is_lock_timeout = isinstance(error.__cause__, asyncpg.LockNotAvailableError)
            if not is_lock_timeout or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_RETRY_DELAY)
