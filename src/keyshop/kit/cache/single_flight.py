"""Loads that are in flight in this process, so that one load answers all reads of the same key."""

import asyncio

from keyshop.kit.cache.protocol import Loaded


class InFlightLoad:
    """One load: `loaded` is PostgreSQL's answer, `ended` is set when its FILL is over."""

    def __init__(self, key: str, number: int) -> None:
        self.key = key
        self.number = number
        self.loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()


class SingleFlight:
    """
    The loads of all keys.

    Reads and loads share one sequence of numbers: a load with a higher number than a read has read
    PostgreSQL after that read arrived, and may answer it.
    """

    def __init__(self) -> None:
        self._number = 0
        self._by_key: dict[str, InFlightLoad] = {}

    def arrive(self) -> int:
        """Return the number of a read that arrives now."""
        self._number += 1
        return self._number

    def find(self, key: str) -> InFlightLoad | None:
        """Return the load of the key that is in flight."""
        return self._by_key.get(key)

    def start(self, key: str) -> InFlightLoad:
        """Start a load; reads that arrive from now on may join it."""
        in_flight = InFlightLoad(key, self.arrive())
        self._by_key.setdefault(key, in_flight)
        return in_flight

    def begin_query(self, in_flight: InFlightLoad) -> None:
        """Number the load anew: its query may answer all reads that arrived before it."""
        in_flight.number = self.arrive()

    def end(self, in_flight: InFlightLoad) -> None:
        """Wake the reads that joined, so that each looks in Redis itself."""
        if self._by_key.get(in_flight.key) is in_flight:
            del self._by_key[in_flight.key]
        if not in_flight.loaded.done():
            in_flight.loaded.cancel()
        in_flight.ended.set()
