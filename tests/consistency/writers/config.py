"""A writer's configuration, and what all kinds of writers share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from time import monotonic_ns
from typing import Final

import msgspec

from tests.consistency.keys import GAMES, Kind
from tests.consistency.records import Outcome, Write, WriteLog

UNDONE_SHARE: Final = 0.03
"""The share of writes that are rolled back; no read may ever show them."""

NEVER_SEEN: Final = 1_000_000
"""How far above the true version a rolled-back write is."""

NEVER_SEEN_OF_PERSONS: Final = 1_000
"""The same for baskets, whose contents limit the version."""

FOREIGN_SETTINGS: Final = {
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""What another application sets for its own statements; formats and time zone stay the role's."""


class WriterConfig(msgspec.Struct, frozen=True):
    """What to write, how often, and where to write the notes."""

    kind: Kind
    per_second: float
    seed: int
    log: str
    database_url: str
    began: int
    """When the run began; versions of slots are based on the milliseconds since then."""

    simulator_url: str | None = None
    products: dict[str, str] = {}
    """The supplier's id of each game that the sync writes."""


class Writing:
    """One writer's configuration, random numbers and notes."""

    def __init__(self, config: WriterConfig, log: WriteLog) -> None:
        self.config = config
        self.log = log
        self.dice = Random(config.seed)

    def is_undone(self) -> bool:
        """Decide whether this write is rolled back."""
        return self.dice.random() < UNDONE_SHARE

    def far_above(self, versions: dict[int, int]) -> dict[int, int]:
        """Return versions for a write that is rolled back, far above these."""
        return {
            key: version + (NEVER_SEEN if key < len(GAMES) else NEVER_SEEN_OF_PERSONS)
            for key, version in versions.items()
        }

    @asynccontextmanager
    async def noted(self, versions: dict[int, int]) -> AsyncIterator[None]:
        """Note the writes of a block before it, and their outcome after it."""
        invoked = monotonic_ns()
        self.note_tried(versions, invoked)
        try:
            yield
        except Exception:
            self.note_unknown(versions, invoked)
            raise
        self.note_acknowledged(versions, invoked)

    def note_tried(self, versions: dict[int, int], invoked: int) -> None:
        """Note writes, by key number, before anything is sent."""
        self._note(Outcome.TRIED, versions, invoked, 0)

    def note_acknowledged(self, versions: dict[int, int], invoked: int) -> None:
        """Note that the writes are acknowledged now."""
        self._note(Outcome.ACKNOWLEDGED, versions, invoked, monotonic_ns())

    def note_unknown(self, versions: dict[int, int], invoked: int) -> None:
        """Note that the writes may have happened."""
        self._note(Outcome.UNKNOWN, versions, invoked, monotonic_ns())

    def note_rolled_back(self, versions: dict[int, int], invoked: int) -> None:
        """Note versions that no read may show."""
        self._note(Outcome.ROLLED_BACK, versions, invoked, monotonic_ns())

    def _note(
        self, outcome: Outcome, versions: dict[int, int], invoked: int, returned: int
    ) -> None:
        self.log.add(
            *(Write(outcome, key, version, invoked, returned) for key, version in versions.items())
        )


def price_of(version: int) -> Decimal:
    """Return the price that stands for the version."""
    return Decimal(version).scaleb(-2)


def version_of(price: Decimal) -> int:
    """Return the version that the price stands for."""
    return int(price.scaleb(2))
