"""A file for what a restart or a kill must not lose."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from g2a_simulator.errors import InvalidCommand

# The lock is exclusive while the file is open: two markets on one file would sell each other's keys.
# Without fsync, a killed process loses nothing; only a power failure may.
_OPEN = """
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS facts (
        kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;
"""
_WRITE = "INSERT OR REPLACE INTO facts (kind, id, body) VALUES (?, ?, ?)"
_READ = "SELECT id, body FROM facts WHERE kind = ? ORDER BY length(id), id"

StateRecord = tuple[str, str, bytes]  # kind, id, JSON


class StateFile:
    """Records by kind and id, of which only the newest version is kept."""

    def __init__(self, path: Path) -> None:
        """
        Open the file, or create it.

        Raises:
            InvalidCommand: another simulator has it open, or it is not a writable state file.
        """
        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._database.executescript(_OPEN)
        except sqlite3.Error as error:
            self.close()
            raise InvalidCommand(f"The state file {path} cannot be used: {error}.") from error

    def read(self, kind: str) -> list[tuple[str, bytes]]:
        """List the ids and records of a kind, in the order of their ids."""
        return self._database.execute(_READ, (kind,)).fetchall()

    def write(self, records: Iterable[StateRecord]) -> None:
        """
        Write the records, all or none.

        Raises:
            InvalidCommand: the file cannot be written, as on a full disk.
        """
        try:
            self._database.execute("BEGIN")
            self._database.executemany(_WRITE, records)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.rollback()
            raise InvalidCommand(f"The state file cannot be written: {error}.") from error

    def close(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
