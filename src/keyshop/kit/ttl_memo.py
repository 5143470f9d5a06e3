"""A memo for an answer that is expensive to get and may be some seconds old."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class TtlMemo(Generic[_Answer]):
    """Calls `fetch` at most once in `seconds`, for any number of callers."""

    def __init__(self, fetch: Callable[[], Awaitable[_Answer]], *, seconds: float) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._fetched_at = 0.0
        self._fetching: asyncio.Task[_Answer] | None = None

    async def __call__(self) -> _Answer:
        """Return the answer, or raise what `fetch` raised."""
        if self._fetching is None or (
            self._fetching.done() and monotonic() - self._fetched_at > self._seconds
        ):
            self._fetched_at = monotonic()
            self._fetching = asyncio.ensure_future(self._fetch())
        # Shielded: a caller that is cancelled must not cancel the fetch of the others.
        return await asyncio.shield(self._fetching)
