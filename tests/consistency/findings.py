"""Judges every read of a run's notes, and collects the violations and the figures."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from tests.consistency.checker import Judge, Outage, Violation, first_seen
from tests.consistency.history import SECOND, KeyHistory
from tests.consistency.keys import KEYS, Kind
from tests.consistency.records import Answer, Outcome, Read, Write, list_reads, list_writes
from tests.consistency.requests import is_personal

_AROUND: Final = 3 * SECOND
_MAX_SHOWN: Final = 200


class Findings(Struct):
    """The result of a run."""

    violations: list[Violation] = field(default_factory=list)
    histories: dict[int, KeyHistory] = field(default_factory=dict)
    requests: int = 0
    observations: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    paths: Counter[int] = field(default_factory=Counter)
    writes: Counter[tuple[Kind, Outcome]] = field(default_factory=Counter)
    waits: dict[Kind, list[int]] = field(default_factory=dict)
    """Nanoseconds from the beginning of each write to its acknowledgement."""

    disagreed: int = 0
    latencies: list[int] = field(default_factory=list)
    """Nanoseconds of each request that was answered over HTTP."""

    delays: list[int] = field(default_factory=list)
    """Nanoseconds for which each foreign write was not seen by some reader; 0 for most."""

    @property
    def shown(self) -> list[Violation]:
        """Return the first violations, as many as a report lists."""
        return self.violations[:_MAX_SHOWN]


def judge_notes(notes: Path, *, last: Mapping[int, int], outages: list[Outage]) -> Findings:
    """Read all notes, and judge every read."""
    findings = Findings()
    findings.histories = _read_histories(notes, last, findings)
    judge = Judge(findings.histories, first_seen(all_reads(notes)), outages)
    delays = _Delays(findings.histories)
    for read in all_reads(notes):
        _count(read, findings)
        delays.see(read)
        violation = judge.judge(read)
        if violation is not None:
            findings.violations.append(violation)
    findings.disagreed = judge.disagreed
    findings.delays = delays.of_all_writes()
    return findings


def all_reads(notes: Path) -> Iterator[Read]:
    """Return the notes of all readers, one reader after the other."""
    return chain.from_iterable(list_reads(path) for path in sorted(notes.glob("*.reads")))


def history_around(notes: Path, violation: Violation, history: KeyHistory | None) -> list[str]:
    """Return the reads and writes of the key some seconds before and after, in order of time."""
    wrong = violation.read
    begin, end = wrong.invoked - _AROUND, wrong.returned + _AROUND
    events: dict[tuple[int, str], None] = {}
    for write in history.writes if history else ():
        if begin <= write.invoked <= end or begin <= write.returned <= end:
            events[write.invoked, f"write {_describe_write(write, wrong.invoked)}"] = None
    for read in all_reads(notes):
        if read.key == wrong.key and begin <= read.invoked <= end:
            mark = "  <== " + violation.kind if read == wrong else ""
            events[read.invoked, f"read  {_describe_read(read, wrong.invoked)}{mark}"] = None
    return [event for _, event in sorted(events)]


def _read_histories(
    notes: Path, last: Mapping[int, int], findings: Findings
) -> dict[int, KeyHistory]:
    writes: dict[int, list[Write]] = {key.number: [] for key in KEYS}
    for path in sorted(notes.glob("*.writes")):
        for write in list_writes(path):
            writes[write.key].append(write)
            kind = KEYS[write.key].kind
            findings.writes[kind, Outcome(write.outcome)] += 1
            if write.outcome == Outcome.ACKNOWLEDGED:
                findings.waits.setdefault(kind, []).append(write.returned - write.invoked)
    return {
        key.number: KeyHistory(
            writes[key.number],
            first=key.first_version,
            last=last.get(key.number),
            is_foreign=key.is_foreign,
            comes_and_goes=key.comes_and_goes,
        )
        for key in KEYS
    }


def _count(read: Read, findings: Findings) -> None:
    findings.observations += read.key >= 0
    if read.place:
        return
    findings.answers[read.answer] += 1
    if read.answer not in {Answer.LOST, Answer.REFUSED, Answer.TIMED_OUT}:
        findings.requests += 1
        findings.paths[read.path] += 1
        if not is_personal(read.path):
            findings.latencies.append(read.returned - read.invoked)


class _Delays:
    """For each foreign write, the last read that began after its COMMIT and did not show it."""

    def __init__(self, histories: Mapping[int, KeyHistory]) -> None:
        self._writes: dict[int, list[Write]] = {
            number: sorted(
                (write for write in history.writes if write.outcome == Outcome.ACKNOWLEDGED),
                key=lambda write: write.version,
            )
            for number, history in histories.items()
            if history.is_foreign
        }
        self._versions = {
            number: [write.version for write in writes] for number, writes in self._writes.items()
        }
        self._late: dict[tuple[int, int], int] = {}

    def see(self, read: Read) -> None:
        """Note a read that showed a version older than the newest committed one."""
        writes = self._writes.get(read.key)
        if writes is None or read.answer != Answer.SHOWN or read.version < 0:
            return
        place = bisect_left(self._versions[read.key], read.version + 1)
        while place < len(writes) and writes[place].returned < read.invoked:
            where = (read.key, writes[place].version)
            late = read.invoked - writes[place].returned
            self._late[where] = max(self._late.get(where, 0), late)
            place += 1

    def of_all_writes(self) -> list[int]:
        """Return the delay of every foreign write."""
        return sorted(
            self._late.get((number, write.version), 0)
            for number, writes in self._writes.items()
            for write in writes
        )


def _describe_write(write: Write, origin: int) -> str:
    return f"{_span(write.invoked, write.returned, origin)}  version {write.version} {Outcome(write.outcome).name.lower()}"


def _describe_read(read: Read, origin: int) -> str:
    seen = (
        f"version {read.version}"
        if read.answer == Answer.SHOWN
        else Answer(read.answer).name.lower()
    )
    return f"{_span(read.invoked, read.returned, origin)}  {seen} by api {read.api}"


def _span(began: int, ended: int, origin: int) -> str:
    until = f"{(ended - origin) / 1e6:+11.3f}" if ended else "          ?"
    return f"{(began - origin) / 1e6:+11.3f} ms to {until} ms"
