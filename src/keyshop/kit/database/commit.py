"""The one COMMIT: guarded, and with a known outcome whenever PostgreSQL answers."""

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
    """A transaction that is ready for COMMIT."""

    xid: str | None
    """The transaction's id in PostgreSQL; None: it wrote nothing."""


class ReaderSource(Protocol):
    """A source of connections outside any transaction; `Database` is one."""

    def read(self) -> AbstractAsyncContextManager[Reader]: ...


class CommitGuard(Protocol):
    """Runs before and after every COMMIT, so that no cache shows an older value."""

    async def before_commit(self, tx: Transaction) -> PreparedCommit:
        """Run the transaction's last statements."""
        ...

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        """Act on a COMMIT before it is acknowledged, or on a rollback."""
        ...


class Committer:
    """Commits the transactions of one pool under its guard."""

    def __init__(self, db: ReaderSource, guard: CommitGuard) -> None:
        self._db = db
        self._guard = guard

    async def prepare(self, tx: Transaction) -> PreparedCommit:
        """Run the guard's statements at the end of the transaction."""
        return await self._guard.before_commit(tx)

    async def commit(
        self,
        connection: Connection,
        block: asyncpg.transaction.Transaction,
        prepared: PreparedCommit,
    ) -> bool:
        """Send COMMIT, and return whether PostgreSQL confirmed it."""
        try:
            await translate_errors(connection, block.commit)
        except DatabaseUnavailable:
            return False
        except asyncpg.PostgresError:
            await self._guard.after_commit(self._db, prepared, committed=False)
            raise
        except BaseException:
            # Cancelled during COMMIT: the transaction may still be open on this connection.
            connection.terminate()
            raise
        return True

    async def acknowledge(self, prepared: PreparedCommit, *, confirmed: bool) -> None:
        """
        Return when the transaction is committed and no reader can be served an older value.

        If PostgreSQL has not `confirmed` the COMMIT, it is asked for the outcome.

        Raises:
            DatabaseUnavailable: the transaction was undone.
            CommitOutcomeUnknown: PostgreSQL does not answer, or readers may still see older values.
        """
        if not confirmed:
            await self._resolve_outcome(prepared)
        try:
            await self._guard.after_commit(self._db, prepared, committed=True)
        except DatabaseUnavailable as error:
            # Committed: if this were reported as unavailable, the caller would do it twice.
            raise CommitOutcomeUnknown from error

    async def _resolve_outcome(self, prepared: PreparedCommit) -> None:
        """Ask PostgreSQL for the outcome of a COMMIT that it did not confirm."""
        if prepared.xid is None:
            return
        lost_at = time.monotonic()
        try:
            async with asyncio.timeout(_OUTCOME_TIMEOUT):
                found = await self._read_outcome(prepared.xid)
        except (DatabaseUnavailable, TimeoutError) as error:
            raise CommitOutcomeUnknown from error
        except asyncpg.InvalidParameterValueError as error:
            # An id of the future: the transaction was lost in a crash.
            raise DatabaseUnavailable from error
        if found["outcome"] != "committed":
            await self._guard.after_commit(self._db, prepared, committed=False)
            raise DatabaseUnavailable
        if found["uptime"] < time.monotonic() - lost_at + _UPTIME_MARGIN:
            # The server has restarted. After a crash it reuses the ids of lost transactions.
            raise CommitOutcomeUnknown

    async def _read_outcome(self, xid: str) -> Record:
        # The server may still be working on an interrupted COMMIT.
        while True:
            async with self._db.read() as reader:
                found = await reader.fetchrow(_OUTCOME, xid)
            if found is not None and found["outcome"] != "in progress":
                return found
            await asyncio.sleep(_POLL_INTERVAL)
