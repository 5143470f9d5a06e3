"""The versions of one key: when each was promised, and since when a read may show it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

from tests.consistency.records import Outcome, Write

SECOND: Final = 1_000_000_000  # nanoseconds

FOREIGN_SLACK: Final = SECOND
"""A write from outside the shop must be visible within a second of its COMMIT."""

SETTLED_AFTER: Final = 2 * SECOND
"""
How long two processes may disagree on a write that is not acknowledged yet.

A writer that cannot reach Redis is held back for up to 0.9 s after its COMMIT; one that is killed
in that time leaves it to the relay, which delivers every row that is older than a second.
"""


class Steps:
    """A figure that only rises, and when it rose."""

    def __init__(self, points: Iterable[tuple[int, int]]) -> None:
        """Take moments and figures in any order; a figure below an earlier one changes nothing."""
        self._times: list[int] = []
        self._figures: list[int] = []
        highest = -1
        for moment, figure in sorted(points):
            if figure > highest:
                highest = figure
                self._times.append(moment)
                self._figures.append(figure)

    def before(self, moment: int) -> int:
        """Return the figure as it was just before the moment; -1 at first."""
        place = bisect_left(self._times, moment)
        return self._figures[place - 1] if place else -1

    def reached(self, figure: int) -> int | None:
        """Return when the figure, or a higher one, was reached first."""
        place = bisect_left(self._figures, figure)
        return self._times[place] if place < len(self._times) else None


class KeyHistory:
    """All writes of one key, from its first version on."""

    def __init__(
        self,
        writes: Iterable[Write],
        *,
        first: int,
        last: int | None = None,
        is_foreign: bool = False,
        comes_and_goes: bool = False,
    ) -> None:
        """
        Take the notes of all writers of the key.

        `first` existed before the first read; `last` is what the database held at the end, where it
        was read. A killed foreign writer leaves no note of its version: each version between two
        known ones may be one of these.
        """
        self.is_foreign = is_foreign
        self.comes_and_goes = comes_and_goes
        self.writes = sorted(writes, key=lambda write: (write.invoked, write.version))
        slack = FOREIGN_SLACK if is_foreign else 0
        done = [write for write in self.writes if write.outcome == Outcome.ACKNOWLEDGED]
        self.committed = Steps([(0, first), *((write.returned, write.version) for write in done)])
        self.promised = Steps(
            [(0, first), *((write.returned + slack, write.version) for write in done)]
        )
        self._since = {first: 0}
        for write in self.writes:
            if write.outcome != Outcome.ROLLED_BACK:
                known = self._since.get(write.version, write.invoked)
                self._since[write.version] = min(known, write.invoked)
        self._known = sorted(self._since)
        self._last = max(self._known[-1], last or 0)

    def exists_since(self, version: int) -> int | None:
        """Return the earliest time at which the version can have been committed; None: never."""
        since = self._since.get(version)
        if since is None and self.is_foreign and self._known[0] < version <= self._last:
            since = self._since[self._known[bisect_right(self._known, version) - 1]]
        return since

    def newest_absence(self, until: int) -> int | None:
        """Return the newest absent version that a read can have shown by then."""
        for version in reversed(self._known):
            if version % 2 and self._since[version] <= until:
                return version
        return None
