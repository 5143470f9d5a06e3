"""An answer that is dear to get and may be some seconds old."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class TtlMemo(Generic[_Answer]):
    """Asks at most once in so many seconds, however many want to know."""

    def __init__(self, ask: Callable[[], Awaitable[_Answer]], *, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._asked_at = 0.0
        self._asking: asyncio.Task[_Answer] | None = None

    async def __call__(self) -> _Answer:
        """Return the answer, or raise what asking raised."""
        if self._asking is None or (
            self._asking.done() and monotonic() - self._asked_at > self._seconds
        ):
            self._asked_at = monotonic()
            self._asking = asyncio.ensure_future(self._ask())
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(self._asking)
