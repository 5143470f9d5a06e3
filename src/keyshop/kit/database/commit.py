"""The one COMMIT: guarded, and with an outcome that is known whenever PostgreSQL can be asked."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import asyncpg
import msgspec
from asyncpg import Record

from keyshop.kit.database.errors import CommitOutcomeUnknown, DatabaseUnavailable
from keyshop.kit.database.transaction import Connection, Reader, Transaction, translate_errors

_OUTCOME: Final = """
    SELECT pg_xact_status($1::text::xid8) AS outcome,
        extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS uptime
"""
_OUTCOME_TIMEOUT: Final = 3.0  # seconds
_POLL_INTERVAL: Final = 0.05  # seconds
_UPTIME_MARGIN: Final = 1.0  # seconds


class PreparedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that is ready to be committed."""

    xid: str | None
    """PostgreSQL's id of it; None: it wrote nothing."""


class ReaderSource(Protocol):
    """A source of connections outside any transaction; `Database` is one."""

    def read(self) -> AbstractAsyncContextManager[Reader]:
        """Lend a connection, as `Database.read`."""
        ...


class CommitGuard(Protocol):
    """What stands around every COMMIT, so that no cache outlives the truth."""

    async def before_commit(self, tx: Transaction) -> PreparedCommit:
        """Do what must be done before the COMMIT, as the transaction's last statements."""
        ...

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        """Do what must be done before the COMMIT is acknowledged, or after it was undone."""
        ...


class GuardedCommitter:
    """Commits the transactions of one pool under its guard."""

    def __init__(self, db: ReaderSource, guard: CommitGuard) -> None:
        self._db = db
        self._guard = guard

    async def prepare(self, tx: Transaction) -> PreparedCommit:
        """Let the guard run its statements at the end of the transaction."""
        return await self._guard.before_commit(tx)

    async def commit(
        self,
        connection: Connection,
        block: asyncpg.transaction.Transaction,
        prepared: PreparedCommit,
    ) -> bool:
        """Send COMMIT and return whether PostgreSQL is known to have done it."""
        try:
            await translate_errors(connection, block.commit)
        except DatabaseUnavailable:
            return False
        except asyncpg.PostgresError:
            await self._guard.after_commit(self._db, prepared, committed=False)
            raise
        except BaseException:
            # Cancelled during COMMIT: the connection may still be inside the transaction.
            connection.terminate()
            raise
        return True

    async def acknowledge(self, prepared: PreparedCommit, *, known: bool) -> None:
        """
        Return when the transaction is committed and no reader can be given an older value.

        `known` says that PostgreSQL confirmed the COMMIT; otherwise PostgreSQL is asked.

        Raises:
            DatabaseUnavailable: it was undone.
            CommitOutcomeUnknown: PostgreSQL does not answer, or readers may still see old values.
        """
        if not known:
            await self._resolve_outcome(prepared)
        try:
            await self._guard.after_commit(self._db, prepared, committed=True)
        except DatabaseUnavailable as error:
            # It is committed; reported as "unavailable", the caller would do it twice.
            raise CommitOutcomeUnknown from error

    async def _resolve_outcome(self, prepared: PreparedCommit) -> None:
        """Ask PostgreSQL what became of a COMMIT that was never answered."""
        if prepared.xid is None:
            return
        broke_at = time.monotonic()
        try:
            async with asyncio.timeout(_OUTCOME_TIMEOUT):
                found = await self._find_outcome(prepared.xid)
        except (DatabaseUnavailable, TimeoutError) as error:
            raise CommitOutcomeUnknown from error
        except asyncpg.InvalidParameterValueError as error:
            # An id of the future: a crash has lost all trace of the transaction.
            raise DatabaseUnavailable from error
        if found["outcome"] != "committed":
            await self._guard.after_commit(self._db, prepared, committed=False)
            raise DatabaseUnavailable
        if found["uptime"] < time.monotonic() - broke_at + _UPTIME_MARGIN:
            # After a crash, ids of lost transactions are given to new ones.
            raise CommitOutcomeUnknown

    async def _find_outcome(self, xid: str) -> Record:
        # An interrupted COMMIT continues inside the server for a moment.
        while True:
            async with self._db.read() as reader:
                found = await reader.fetchrow(_OUTCOME, xid)
            if found is not None and found["outcome"] != "in progress":
                return found
            await asyncio.sleep(_POLL_INTERVAL)
