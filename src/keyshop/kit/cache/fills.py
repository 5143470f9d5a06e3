"""FILL and RELEASE in the background: no read waits for them."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Final

from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.metrics import FILLS
from keyshop.kit.cache.operations import FILL_TIMEOUT, CacheOperations, Lease
from keyshop.kit.cache.protocol import Loaded
from keyshop.kit.cache.redis.connection import MAX_LATENESS

_ABSENT_TTL: Final = 30.0  # seconds
_MAX_PAYLOAD: Final = 4 * 1024 * 1024  # bytes
_MAX_PENDING: Final = 256
_CLOSE_TIMEOUT: Final = 1.0  # seconds


class BackgroundFills:
    """The FILL and RELEASE commands of one process that have no reply yet."""

    def __init__(self, operations: CacheOperations) -> None:
        self._operations = operations
        self._tasks: set[asyncio.Task[None]] = set()

    def fill(
        self,
        key: CacheKey,
        lease: Lease,
        loaded: Loaded,
        *,
        ttl: float,
        on_end: Callable[[], None],
    ) -> bool:
        """Start FILL and return True, or return False if the value is not worth one."""
        size = len(loaded.payload or b"")
        if ttl <= 0 or size > _MAX_PAYLOAD or len(self._tasks) >= _MAX_PENDING:
            FILLS.labels(key.family.name, "skipped").inc()
            return False
        self._start(self._fill(key, lease, loaded, ttl=ttl, on_end=on_end))
        return True

    def release(self, key: CacheKey, lease: Lease) -> None:
        """Start RELEASE."""
        self._start(self._operations.release(key, lease))

    async def close(self) -> None:
        """Wait for the commands that have no reply yet."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(
        self,
        key: CacheKey,
        lease: Lease,
        loaded: Loaded,
        *,
        ttl: float,
        on_end: Callable[[], None],
    ) -> None:
        try:
            outcome = await self._operations.fill(key, lease, loaded, ttl=ttl)
            FILLS.labels(key.family.name, outcome).inc()
            if outcome in {"skipped", "failed"}:
                await self._operations.release(key, lease)
        finally:
            on_end()


def time_to_live(key: CacheKey, loaded: Loaded, *, now: datetime, elapsed: float) -> float:
    """
    Return how long Redis may keep the value, in seconds.

    It is random, so that values that were stored together do not expire together. `elapsed` is the
    time since `now`.
    """
    ttl = key.family.ttl.total_seconds() * random.uniform(0.9, 1.0)  # noqa: S311 - not a secret
    if loaded.payload is None:
        ttl = min(ttl, _ABSENT_TTL)
    if loaded.valid_until is not None:
        # Redis counts from the FILL, which may arrive late.
        left = (loaded.valid_until - now).total_seconds()
        ttl = min(ttl, left - elapsed - FILL_TIMEOUT - MAX_LATENESS)
    return ttl
