"""
The notes that processes take of reads and writes: fixed records with times of the monotonic clock.

All processes of a machine share that clock, so their notes can be compared.
"""

import os
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

_READ: Final = Struct("<BBBBiqqq")
_WRITE: Final = Struct("<B3xiqqq")
_BUFFER_SIZE: Final = 1 << 16  # bytes of notes that are buffered before a write
_CHUNK: Final = _READ.size * _WRITE.size * 2048


class Answer(IntEnum):
    """How a request ended."""

    SHOWN = 0  # 200, or 404 for an object that does not exist
    UNAVAILABLE = 1  # 503
    WRONG_STATUS = 2  # any other; the version field holds it
    LOST = 3  # the connection broke before the answer was complete
    REFUSED = 4  # no connection could be made
    TIMED_OUT = 5
    ANOTHERS = 6  # data of another person, whose number the version field holds


class Outcome(IntEnum):
    """The outcome of a write, as far as its writer knows."""

    TRIED = 0  # noted before the write, because a killed writer notes nothing afterwards
    ACKNOWLEDGED = 1
    UNKNOWN = 2  # it may have been committed
    ROLLED_BACK = 3


class Read(NamedTuple):
    """One watched object in one answer; an answer without any has key -1."""

    answer: int
    path: int
    """The index of the request in `requests.PATHS`."""

    api: int
    place: int
    """The index within one answer; each request has exactly one record with 0."""

    key: int
    version: int
    invoked: int
    returned: int


class Write(NamedTuple):
    """One write of one watched object."""

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
        """Add one record."""
        self._notes += _READ.pack(answer, path, api, place, key, version, invoked, returned)
        if len(self._notes) >= _BUFFER_SIZE:
            self.flush()

    def flush(self) -> None:
        """Write the buffered records."""
        self._file.write(self._notes)
        self._notes.clear()

    def close(self) -> None:
        """Write the buffered records and close the file."""
        self.flush()
        self._file.close()


class WriteLog:
    """Notes of a writer, written immediately, because a writer may be killed at any moment."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, *writes: Write) -> None:
        """Add records, all or none."""
        os.write(self._file, b"".join(_WRITE.pack(*write) for write in writes))


def list_reads(path: Path) -> Iterator[Read]:
    """Return the notes of a reader, in their order."""
    return map(Read._make, _records(path, _READ))


def list_writes(path: Path) -> Iterator[Write]:
    """Return the notes of a writer, in their order."""
    return map(Write._make, _records(path, _WRITE))


def _records(path: Path, shape: Struct) -> Iterator[tuple[int, ...]]:
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            whole = len(block) - len(block) % shape.size
            yield from shape.iter_unpack(block[:whole])
