"""Loads that are under way in this process, so that one serves all who ask for the same."""

import asyncio

from keyshop.kit.cache.protocol import Loaded


class InFlightLoad:
    """One load: `loaded` is what PostgreSQL said, `ended` when it was kept or is not going to be."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.loaded: asyncio.Future[Loaded] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()


class SingleFlight:
    """
    The loads of all keys.

    Arrivals and loads are numbered in one row: a load with a number above an arrival's has read
    PostgreSQL after it, and may answer it.
    """

    def __init__(self) -> None:
        self._number = 0
        self._by_key: dict[str, InFlightLoad] = {}

    def arrive(self) -> int:
        """Return the number of somebody who asks now."""
        self._number += 1
        return self._number

    def find(self, key: str) -> InFlightLoad | None:
        """Return the load of the key that is under way."""
        return self._by_key.get(key)

    def start(self, key: str) -> InFlightLoad:
        """Begin a load, which those who come from now on may wait for."""
        flight = InFlightLoad(self.arrive())
        self._by_key.setdefault(key, flight)
        return flight

    def end(self, key: str, flight: InFlightLoad) -> None:
        """Let those who waited look for themselves."""
        if self._by_key.get(key) is flight:
            del self._by_key[key]
        if not flight.loaded.done():
            flight.loaded.cancel()
        flight.ended.set()
