"""Changes tables that a running shop is using."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from keyshop.kit.errors import Conflict

_Result = TypeVar("_Result")

# Whoever comes after us waits with us, so we wait for moments only; and PostgreSQL looks for
# deadlocks after a second, when it might end the shop's transaction and not ours.
LOCK_TIMEOUT: Final = "400ms"

_MAX_WAIT: Final = 5.0  # seconds, for all attempts
_PAUSE: Final = 0.2  # seconds in which the shop gets on


async def patiently(act: Callable[[], Awaitable[_Result]]) -> _Result:
    """
    Repeat a transaction that sets LOCK_TIMEOUT until it gets its locks, for five seconds at most.

    Raises what the last attempt raised.
    """
    until = time.monotonic() + _MAX_WAIT
    while True:
        try:
            return await act()
        except Conflict as error:
            gave_way = isinstance(error.__cause__, asyncpg.LockNotAvailableError)
            if not gave_way or time.monotonic() > until:
                raise
        await asyncio.sleep(_PAUSE)
