"""
Decides which reads break the promise, from the notes of reads and writes alone.

A read is judged by what was true when it *began*: a write that is acknowledged during the read may
be in its answer or not.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from tests.consistency.history import SETTLED_AFTER, KeyHistory, Steps
from tests.consistency.keys import ABSENT
from tests.consistency.records import Answer, Read

_WITHOUT_DATABASE: Final = {Answer.UNAVAILABLE, Answer.TIMED_OUT}
_WITHOUT_PROCESS: Final = {Answer.LOST, Answer.REFUSED, Answer.TIMED_OUT}


class ViolationKind(StrEnum):
    """How an answer can be wrong."""

    STALE = "stale"  # older than what was acknowledged before the read began
    WENT_BACK = "went back"  # older than what an earlier read, of any process, had shown
    PHANTOM = "phantom"  # never written, rolled back, or not yet written
    LOST = "lost"  # "not found", for a game or a basket that exists
    ANOTHERS = "another's"  # data of another person
    UNAVAILABLE = "unavailable"  # no answer, outside every outage that the checker caused


class Violation(NamedTuple):
    """A read that breaks the promise."""

    kind: ViolationKind
    read: Read
    expected: int
    """The oldest version that it may show; for a phantom, the newest known one."""


class Outage(NamedTuple):
    """A time in which requests may fail, because the checker caused a fault."""

    api: int | None
    """The process that fails; None: all processes."""

    began: int
    ended: int
    of_database: bool = False
    """Whether PostgreSQL failed rather than the process."""


class Judge:
    """Judges reads, one at a time."""

    def __init__(
        self,
        histories: Mapping[int, KeyHistory],
        seen: Mapping[int, Mapping[int, int]],
        outages: Iterable[Outage] = (),
    ) -> None:
        """Take the writes, what `first_seen` found, and when requests may fail."""
        self._histories = histories
        self._seen = {
            key: Steps((moment, version) for version, moment in versions.items())
            for key, versions in seen.items()
        }
        self._nothing_seen = Steps(())
        self._outages = list(outages)
        self.disagreed = 0
        """Reads that went back to before an unacknowledged write, within the permitted time."""

    def judge(self, read: Read) -> Violation | None:
        """Return what is wrong with the read, if anything is."""
        if read.answer != Answer.SHOWN:
            return self._judge_failure(read)
        history = self._histories.get(read.key)
        if history is None:
            return None
        promised = history.promised.before(read.invoked)
        if read.version == ABSENT:
            return self._judge_absence(history, read, promised)
        if read.version < promised:
            return Violation(ViolationKind.STALE, read, promised)
        since = history.exists_since(read.version)
        if since is None or since > read.returned:
            return Violation(ViolationKind.PHANTOM, read, promised)
        return self._compare_with_others(history, read)

    def _judge_absence(self, history: KeyHistory, read: Read, promised: int) -> Violation | None:
        if not history.comes_and_goes:
            return Violation(ViolationKind.LOST, read, promised)
        absence = history.newest_absence(read.returned)
        if absence is None or absence < promised:
            return Violation(ViolationKind.LOST, read, promised)
        return None

    def _compare_with_others(self, history: KeyHistory, read: Read) -> Violation | None:
        seen = self._seen.get(read.key, self._nothing_seen)
        if read.version >= seen.before(read.invoked):
            return None
        settled = seen.before(read.invoked - SETTLED_AFTER)
        if read.version < settled:
            return Violation(ViolationKind.WENT_BACK, read, settled)
        if not history.is_foreign:
            self.disagreed += 1
        return None

    def _judge_failure(self, read: Read) -> Violation | None:
        if read.answer == Answer.ANOTHERS:
            return Violation(ViolationKind.ANOTHERS, read, 0)
        if any(_excuses(outage, read) for outage in self._outages):
            return None
        return Violation(ViolationKind.UNAVAILABLE, read, 0)


def _excuses(outage: Outage, read: Read) -> bool:
    if read.invoked > outage.ended or read.returned < outage.began:
        return False
    if outage.api not in {None, read.api}:
        return False
    return read.answer in (_WITHOUT_DATABASE if outage.of_database else _WITHOUT_PROCESS)


def first_seen(reads: Iterable[Read]) -> dict[int, dict[int, int]]:
    """Return for each key and version when the first answer with it was complete."""
    seen: dict[int, dict[int, int]] = {}
    for read in reads:
        if read.answer == Answer.SHOWN and read.version >= 0 and read.key >= 0:
            versions = seen.setdefault(read.key, {})
            known = versions.get(read.version)
            if known is None or read.returned < known:
                versions[read.version] = read.returned
    return seen
