"""What was done to the world, and when."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns

from msgspec import Struct

from tests.consistency.checker import Outage
from tests.consistency.history import SECOND


class Fault(Struct):
    """One fault that was made."""

    name: str
    victim: str
    began: int
    ended: int


class Journal:
    """All faults of a run, and the times in which requests may fail because of them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.outages: list[Outage] = []
        self.surprises: list[str] = []
        """What ended without having been told to."""

    @contextmanager
    def fault(self, name: str, victim: str = "") -> Iterator[None]:
        """Write down what happens in the block."""
        began = monotonic_ns()
        try:
            yield
        finally:
            self.faults.append(Fault(name, victim, began, monotonic_ns()))

    @contextmanager
    def outage(
        self, api: int | None, *, after: float = 0.0, of_database: bool = False
    ) -> Iterator[None]:
        """Excuse failed requests while the block lasts and so many seconds after."""
        began = monotonic_ns()
        try:
            yield
        finally:
            ended = monotonic_ns() + int(after * SECOND)
            self.outages.append(Outage(api, began, ended, of_database))

    @contextmanager
    def stopped(self, api: int) -> Iterator[None]:
        """Excuse a process that notices only after the block that it lost its connections in it."""
        began = monotonic_ns()
        try:
            yield
        finally:
            if any(outage.of_database and outage.ended >= began for outage in self.outages):
                ended = monotonic_ns() + SECOND
                self.outages.append(Outage(api, began, ended, of_database=True))

    def count(self) -> Counter[str]:
        """Return how often each fault was made."""
        return Counter(fault.name for fault in self.faults)
