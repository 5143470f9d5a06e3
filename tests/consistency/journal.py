"""The faults that were injected, and when."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns
from typing import Final

from msgspec import Struct

from tests.consistency.checker import Outage
from tests.consistency.history import SECOND
from tests.consistency.redis_values import KeyTextSearch


class FaultRecord(Struct):
    """One fault that was injected."""

    name: str
    victim: str
    began: int
    ended: int


class Surprise(Struct, frozen=True):
    """A process that ended without a fault, and the end of its log."""

    sentence: str
    last_words: str


class Journal:
    """
    All faults of a run, and the times in which requests may fail because of them.

    It also holds what was found wrong apart from the answers.
    """

    def __init__(self) -> None:
        self.faults: list[FaultRecord] = []
        self.outages: list[Outage] = []
        self.surprises: list[Surprise] = []
        """Processes that ended without a fault."""

        self.key_texts: Final = KeyTextSearch()

    @contextmanager
    def fault(self, name: str, victim: str = "") -> Iterator[None]:
        """Record the fault that the block injects."""
        began = monotonic_ns()
        try:
            yield
        finally:
            self.faults.append(FaultRecord(name, victim, began, monotonic_ns()))

    @contextmanager
    def outage(
        self, api: int | None, *, after: float = 0.0, of_database: bool = False
    ) -> Iterator[None]:
        """Excuse failed requests during the block and for `after` seconds afterwards."""
        began = monotonic_ns()
        try:
            yield
        finally:
            ended = monotonic_ns() + int(after * SECOND)
            self.outages.append(Outage(api, began, ended, of_database))

    @contextmanager
    def stopped(self, api: int) -> Iterator[None]:
        """Excuse a process that notices only after the block that its connections were cut."""
        began = monotonic_ns()
        try:
            yield
        finally:
            if any(outage.of_database and outage.ended >= began for outage in self.outages):
                ended = monotonic_ns() + SECOND
                self.outages.append(Outage(api, began, ended, of_database=True))

    def count(self) -> Counter[str]:
        """Return how often each fault was injected."""
        return Counter(fault.name for fault in self.faults)
