"""
How far a process has seen a counter of the database rise, kept on the disk of its machine.

After a restore of the database the counter stands below a mark: what happened in between is lost. A
mark is written before the answer that depends on it, so the disk knows of each of them.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Final, Self, final

import msgspec
import structlog
from msgspec import Struct

_log = structlog.get_logger(__name__)


class Mark(Struct, frozen=True, kw_only=True):
    """The contents of a mark's file."""

    identity: str
    """Of the database, such as its system identifier."""

    seq: int


_MARK: Final = msgspec.json.Decoder(Mark)


@final
class HighWaterMark:
    """
    The mark of this process, a file of its own. It only rises.

    Calls that wait at the same time share one write.
    """

    def __init__(self, path: Path, *, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._wanted = 0
        self._written = 0
        self._writing: asyncio.Task[bool] | None = None

    @classmethod
    def open(cls, folder: Path, *, machine: str, identity: str) -> Self:
        """
        Return the mark of this process for the database of this identity.

        The folder is created; the file is there from the first `raise_to`.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A later process can have the same id.
        name = f"{machine}-{os.getpid()}-{time.time_ns()}.mark"
        return cls(folder / name, identity=identity)

    async def raise_to(self, seq: int) -> bool:
        """
        Return when the disk holds at least this number; False: it cannot be written.

        The failure is logged. What the number stands for is done already, and stays done.
        """
        self._wanted = max(self._wanted, seq)
        while self._written < seq:
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write_wanted())
            # A caller that is cancelled leaves the write to the others; there is never a second.
            if not await asyncio.shield(self._writing):
                return False
        return True

    async def _write_wanted(self) -> bool:
        wanted = self._wanted
        try:
            await asyncio.to_thread(self._write, wanted)
        except OSError as error:
            _log.error("mark.not_written", path=str(self._path), seq=wanted, error=error.strerror)
            return False
        self._written = wanted
        return True

    def _write(self, seq: int) -> None:
        aside = self._path.with_suffix(".new")
        content = msgspec.json.encode(Mark(identity=self._identity, seq=seq))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(aside, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        aside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_marks(folder: Path) -> list[Mark]:
    """
    Return the marks of all processes that ever wrote one here, none if the folder is missing.

    Raises:
        OSError: a mark cannot be read.
        msgspec.MsgspecError: a mark is damaged.
    """
    return [_MARK.decode(path.read_bytes()) for path in sorted(folder.glob("*.mark"))]
