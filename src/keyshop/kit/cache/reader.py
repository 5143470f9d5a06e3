"""
The read path: GET, else join a load in flight, else ACQUIRE, load, answer, FILL.

Where Redis is so far away that only one reply comes before the deadline, the first read of a key
sends ACQUIRE without GET, because ACQUIRE returns a value as well.

Whatever Redis does, a read ends with an answer: Redis's while it is trusted, else PostgreSQL's.
"""

import asyncio
import time
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from typing import Final

import structlog
from prometheus_client import Counter

from keyshop.kit.cache.deadline import Deadline
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.fills import BackgroundFills, time_to_live
from keyshop.kit.cache.log_throttle import LogThrottle
from keyshop.kit.cache.metrics import READS
from keyshop.kit.cache.operations import (
    BYPASS,
    FAR,
    MISS,
    WAIT,
    CacheOperations,
    Hit,
    Lease,
    LookupResult,
)
from keyshop.kit.cache.protocol import Load, Loaded
from keyshop.kit.cache.single_flight import InFlightLoad, SingleFlight
from keyshop.kit.database.pool import in_transaction

_LEASE_WAIT: Final = 0.15  # seconds past the deadline while another process fills the key
_RETRY_DELAYS: Final = (0.01, 0.02, 0.04, 0.08)  # seconds

_log = structlog.get_logger(__name__)


class GuardedCache:
    """The `Cache` of a process that uses Redis."""

    def __init__(self, operations: CacheOperations) -> None:
        self._operations = operations
        self._single_flight = SingleFlight()
        self._fills = BackgroundFills(operations)
        self._throttle = LogThrottle()
        self._bypassed = 0  # reads since the last log line

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """Return the answer of this key, as `Cache.read`."""
        if in_transaction():
            raise RuntimeError("A cached read inside a transaction would miss its own changes.")
        if key is None:
            return (await load()).payload
        began, arrival = time.monotonic(), self._single_flight.arrive()
        found: LookupResult = MISS
        if self._operations.has_time_for_get or self._single_flight.find(key.name) is not None:
            found = await self._operations.get(key)
        if isinstance(found, Hit):
            return self._record(key, "hit", found.payload)
        deadline = Deadline(began)
        joined = await self._join(key, arrival, deadline)
        if joined is not None:
            return self._record(key, "joined", joined.payload)
        return await self._load(key, load, now=now, deadline=deadline, found=found)

    async def close(self) -> None:
        """Wait for the fills in flight."""
        await self._fills.close()

    async def _join(self, key: CacheKey, arrival: int, deadline: Deadline) -> Loaded | None:
        """Wait for a load in flight, and return an answer that this read may give."""
        in_flight = self._single_flight.find(key.name)
        if in_flight is None:
            return None
        with deadline.paused():
            await asyncio.wait({in_flight.loaded})
        if in_flight.number > arrival:
            return await _result_of(in_flight)
        found: LookupResult = BYPASS
        with suppress(TimeoutError):
            async with deadline.timeout():
                await in_flight.ended.wait()
            # The query began before this read: only a value that Redis accepted is new enough.
            found = await self._operations.get(key, timeout=deadline.left())
        if isinstance(found, Hit):
            return Loaded(found.payload or None)
        later = self._single_flight.find(key.name)
        return None if later is None or later.number < arrival else await _result_of(later)

    async def _load(
        self, key: CacheKey, load: Load, *, now: datetime, deadline: Deadline, found: LookupResult
    ) -> bytes | None:
        """ACQUIRE after a miss, load and answer; FILL in the background if there was a lease."""
        in_flight = self._single_flight.start(key.name)
        end = partial(self._single_flight.end, in_flight)
        filling = False
        try:
            if found is MISS:
                found = await self._acquire(key, deadline)
            if isinstance(found, Hit):
                in_flight.loaded.set_result(Loaded(found.payload or None))
                return self._record(key, "hit", found.payload)
            # After ACQUIRE: what is read now contains everything that was committed before it.
            self._single_flight.begin_query(in_flight)
            loaded = await load()
            in_flight.loaded.set_result(loaded)
            if not isinstance(found, Lease):
                return self._record(key, found.name, loaded.payload)
            ttl = time_to_live(key, loaded, now=now, elapsed=deadline.elapsed())
            filling = self._fills.fill(key, found, loaded, ttl=ttl, on_end=end)
            return self._record(key, "miss", loaded.payload)
        finally:
            if not filling:
                end()
                if isinstance(found, Lease):
                    self._fills.release(key, found)

    async def _acquire(self, key: CacheKey, deadline: Deadline) -> LookupResult:
        """ACQUIRE; retry a few times while another process holds the lease."""
        found = await self._operations.acquire(key, timeout=deadline.left())
        for delay in _RETRY_DELAYS:
            if found is not WAIT:
                break
            await asyncio.sleep(delay)
            # ACQUIRE and not GET: after a refused FILL the lease is free.
            found = await self._operations.acquire(key, timeout=deadline.left(extra=_LEASE_WAIT))
        return found

    def _record(self, key: CacheKey, outcome: str, payload: bytes | None) -> bytes | None:
        """Count the read, and return its answer."""
        _reads(key.family.name, outcome).inc()
        if outcome in {BYPASS.name, FAR.name}:
            self._bypassed += 1
            if self._throttle.should_log():
                fault = self._operations.redis_fault or "not trusted"
                _log.warning("cache.bypassed", reads=self._bypassed, redis=fault)
                self._bypassed = 0
        return payload or None


async def _result_of(in_flight: InFlightLoad) -> Loaded | None:
    """Return the result of a load whose query began after a read arrived; None: it failed."""
    await asyncio.wait({in_flight.loaded})
    failed = in_flight.loaded.cancelled() or in_flight.loaded.exception() is not None
    return None if failed else in_flight.loaded.result()


# `labels` takes a lock and builds a key at every call.
@cache
def _reads(family: str, outcome: str) -> Counter:
    return READS.labels(family, outcome)
