"""
What processes write down of reads and writes: fixed records, times of the machine's monotonic clock.

That clock is one for all processes of a machine, so their notes can be compared.
"""

import os
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

_READ: Final = Struct("<BBBBiqqq")
_WRITE: Final = Struct("<B3xiqqq")
_AT_ONCE: Final = 1 << 16  # bytes of notes kept back before they go to the file
_CHUNK: Final = _READ.size * _WRITE.size * 2048


class Answer(IntEnum):
    """How a request ended."""

    SHOWN = 0  # 200, or the 404 that says there is none
    UNAVAILABLE = 1  # 503
    WRONG_STATUS = 2  # any other; the version field holds it
    LOST = 3  # the connection broke before the answer was whole
    REFUSED = 4  # no connection could be made
    TIMED_OUT = 5
    ANOTHERS = 6  # what belongs to somebody else, whose number the version field holds


class Outcome(IntEnum):
    """What a writer knows of its write."""

    TRIED = 0  # noted before, so that a killed writer leaves a trace
    ACKNOWLEDGED = 1
    UNKNOWN = 2  # it may have been committed
    ROLLED_BACK = 3


class Read(NamedTuple):
    """One watched thing as one answer showed it; an answer without any has key -1."""

    answer: int
    path: int
    """The place of what was asked for in `requests.PATHS`."""

    api: int
    place: int
    """The place among what one answer shows; 0 stands once for each request."""

    key: int
    version: int
    invoked: int
    returned: int


class Write(NamedTuple):
    """One write of one watched thing."""

    outcome: int
    key: int
    version: int
    invoked: int
    returned: int


class ReadLog:
    """Notes of a reader, written in blocks."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._notes = bytearray()

    def add(
        self,
        answer: int,
        path: int,
        api: int,
        place: int,
        key: int,
        version: int,
        invoked: int,
        returned: int,
    ) -> None:
        """Take a note."""
        self._notes += _READ.pack(answer, path, api, place, key, version, invoked, returned)
        if len(self._notes) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write down what was kept back."""
        self._file.write(self._notes)
        self._notes.clear()

    def close(self) -> None:
        """Write down the rest."""
        self.flush()
        self._file.close()


class WriteLog:
    """Notes of a writer; each is in the file at once, for the writer may be killed at any moment."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, *writes: Write) -> None:
        """Take notes, all or none."""
        os.write(self._file, b"".join(_WRITE.pack(*write) for write in writes))


def list_reads(path: Path) -> Iterator[Read]:
    """Return the notes of a reader, in the order in which they were taken."""
    return map(Read._make, _records(path, _READ))


def list_writes(path: Path) -> Iterator[Write]:
    """Return the notes of a writer, in the order in which they were taken."""
    return map(Write._make, _records(path, _WRITE))


def _records(path: Path, shape: Struct) -> Iterator[tuple[int, ...]]:
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            whole = len(block) - len(block) % shape.size
            yield from shape.iter_unpack(block[:whole])
