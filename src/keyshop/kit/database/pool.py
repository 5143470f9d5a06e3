"""
The one way to PostgreSQL.

Database
├── read()         one connection, no transaction: for single statements
├── hold_lock()    one holder of a name at a time, across all machines
└── transaction()  one transaction at READ COMMITTED, committed when its block ends well
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Final, TypeVar

import asyncpg
import structlog
from asyncpg import Record

from keyshop.kit.database.codecs import AnyConnection, prepare_connection
from keyshop.kit.database.commit import CommitGuard, GuardedCommitter
from keyshop.kit.database.errors import CONNECTION_LOST, RETRYABLE, DatabaseUnavailable
from keyshop.kit.database.transaction import (
    Connection,
    Reader,
    Transaction,
    is_lost,
    roll_back,
    translate_errors,
)
from keyshop.kit.dsn import clean_dsn

_Result = TypeVar("_Result")

# A worker that stops between two statements must not hold its locks for ever.
_SESSION_SETTINGS: Final = {
    "timezone": "UTC",
    # The ids of a large catalogue, on their way to a page, stay in memory.
    "work_mem": "16MB",
    "idle_in_transaction_session_timeout": "5000",
}

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
_MAX_WAIT: Final = 10.0  # seconds for a free connection

_log = structlog.get_logger(__name__)

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


def in_transaction() -> bool:
    """Test whether this task has a transaction open."""
    return _in_transaction.get()


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(
        self,
        dsn: str,
        *,
        guard: CommitGuard,
        min_size: int = 1,
        max_size: int = 10,
        lock_timeout: float | None = None,
    ) -> None:
        """
        Remember where the database is; `open` connects. Every transaction is committed by `guard`.

        A statement waits for others' locks for `lock_timeout` seconds, or as long as it takes, and
        raises DatabaseBusy then.

        Raises:
            Invalid: the address is none, or names a schema other than public.
        """
        self._dsn = clean_dsn(dsn)
        self._committer = GuardedCommitter(self, guard)
        self._min_size = min_size
        self._lock_timeout = lock_timeout
        # Never one alone: whoever holds a lock on one connection works on another.
        self._max_size = max(2, self._dsn.connection_limit or max_size)
        self._pool: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        """
        Connect.

        Raises:
            DatabaseUnavailable: it does not answer.
        """
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn.url,
                min_size=min(self._min_size, self._max_size),
                max_size=self._max_size,
                init=prepare_connection,
                # The default reset is a round trip after every use; our connections keep no state
                # between uses, and what a failed block leaves open is rolled back by its own exit.
                reset=_reset_nothing,
                server_settings=self._session_settings(),
                statement_cache_size=0 if self._dsn.pgbouncer else 1024,
                timeout=10,
                command_timeout=60,
            )
        except CONNECTION_LOST as error:
            raise DatabaseUnavailable from error

    def _session_settings(self) -> dict[str, str]:
        if self._lock_timeout is None:
            return _SESSION_SETTINGS
        return {**_SESSION_SETTINGS, "lock_timeout": f"{self._lock_timeout * 1000:.0f}"}

    async def close(self) -> None:
        """Close every connection; statements under way end first, within five seconds."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), timeout=5)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """
        Lend a connection outside any transaction.

        Raises:
            DatabaseUnavailable: no connection can be had.
        """
        async with self._acquire() as connection:
            yield Reader(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """
        Open a transaction that commits when the block ends, and rolls back when it raises.

        When this returns, nobody can be given an older value of what it changed.

        Raises:
            DatabaseUnavailable: no connection can be had, or it was cut: nothing has changed.
            CommitOutcomeUnknown: it was cut at the COMMIT, and PostgreSQL is away: look again later.
        """
        if _in_transaction.get():
            # The inner one would commit on another connection, whatever becomes of the outer one.
            raise RuntimeError("A transaction is open already: pass it on.")
        token = _in_transaction.set(True)
        try:
            async with self._acquire() as connection:
                block = connection.transaction()
                await translate_errors(connection, block.start)
                try:
                    tx = Transaction(connection)
                    yield tx
                    prepared = await self._committer.prepare(tx)
                except BaseException:
                    await roll_back(connection, block)
                    raise
                known = await self._committer.commit(connection, block, prepared)
        finally:
            _in_transaction.reset(token)
        await self._committer.acknowledge(prepared, known=known)

    async def run(
        self,
        work: Callable[[Transaction], Awaitable[_Result]],
        *,
        attempts: int,
        retryable: tuple[type[asyncpg.PostgresError], ...] = RETRYABLE,
    ) -> _Result:
        """
        Do the work in a transaction, anew when it collides with others that write, up to `attempts`.

        Only for work that does nothing outside the database.

        Raises:
            asyncpg.PostgresError: it collided every time, or failed otherwise.
            DatabaseUnavailable: as `transaction`; that is not tried again.
        """
        for left in reversed(range(attempts)):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except retryable as error:
                if not left:
                    raise
                _log.info("database.again", reason=type(error).__name__)
        raise AssertionError

    @asynccontextmanager
    async def hold_lock(self, name: str) -> AsyncIterator[bool]:
        """
        Try to take the lock of this name, for all machines, and keep it until the block ends.

        Yields False at once when somebody else has it. PostgreSQL frees it when the process dies
        or its connection is cut, so whoever works under it must also be able to notice a successor.

        Raises:
            DatabaseUnavailable: no connection can be had.
        """
        async with self._acquire() as connection:
            held: bool = await translate_errors(connection, connection.fetchval, _LOCK, name)
            try:
                yield held
            finally:
                if held and not is_lost(connection):
                    # Cut in this very moment: the lock is free as well.
                    with suppress(DatabaseUnavailable):
                        await translate_errors(connection, connection.fetchval, _UNLOCK, name)

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise DatabaseUnavailable
        try:
            # Where one lies ready nobody waits, and a timer costs a tenth of a short read.
            timeout = None if self._pool.get_idle_size() else _MAX_WAIT
            connection = await self._pool.acquire(timeout=timeout)
        except CONNECTION_LOST as error:
            raise DatabaseUnavailable from error
        try:
            yield connection
        finally:
            await self._pool.release(connection)


async def _reset_nothing(connection: AnyConnection) -> None:
    del connection
