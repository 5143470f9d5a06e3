"""
The pool of connections; features reach PostgreSQL only through it.

Database
├── read()         one connection, no transaction: for single statements
├── hold_lock()    a named lock across all machines
├── transaction()  one transaction at READ COMMITTED, committed at the end of its block
└── run()          a transaction that is repeated after a collision
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Final, TypeVar

import asyncpg
import structlog
from asyncpg import Record

from keyshop.kit.database.codecs import AnyConnection, prepare_connection
from keyshop.kit.database.commit import CommitGuard, Committer
from keyshop.kit.database.connect import (
    connect_arguments,
    describe_refusal,
    lift_transaction_timeout,
    statement_timeout,
)
from keyshop.kit.database.errors import (
    CONNECTION_UNUSABLE,
    RETRYABLE,
    DatabaseReadOnly,
    DatabaseUnavailable,
)
from keyshop.kit.database.transaction import (
    Connection,
    Reader,
    Transaction,
    is_lost,
    roll_back,
    translate_errors,
)
from keyshop.kit.dsn import BadDatabaseUrl, clean_dsn

_Result = TypeVar("_Result")

# Sorting the ids of a large catalogue must not need a temporary file.
_WORK_MEM: Final = "16MB"

_IS_READ_ONLY: Final = (
    "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
)
_TRY_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_LOCK_TRANSACTION: Final = """
    SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)),
        set_config('idle_in_transaction_session_timeout', '0', true)
"""
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
_ACQUIRE_TIMEOUT: Final = 10.0  # seconds
_CONNECT_TIMEOUT: Final = 10.0  # seconds
_STATEMENT_TIMEOUT: Final = 60.0  # seconds
_CLOSE_TIMEOUT: Final = 5.0  # seconds
_MAX_REPLACED: Final = 3  # read-only sessions, before one transaction
_REFUSAL_AGE: Final = 30.0  # seconds for which health reports a refused change

_REFUSALS: Final[dict[type[asyncpg.PostgresError], str]] = {
    asyncpg.DiskFullError: "its disk is full",
    asyncpg.OutOfMemoryError: "it is out of memory",
    asyncpg.InsufficientResourcesError: "it has reached a limit",
    asyncpg.PostgresSystemError: "its system reports an error",
}

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
        Store the address; `open` connects. `guard` acts before and after every COMMIT.

        A statement raises DatabaseBusy if it waits for a lock for more than `lock_timeout` seconds;
        None: it waits without a limit.

        Raises:
            Invalid: the address cannot be parsed, or names a schema other than public.
        """
        self._dsn = clean_dsn(dsn)
        self._committer = Committer(self, guard)
        self._min_size = min_size
        self._lock_timeout = lock_timeout
        # At least two: `hold_lock` needs one connection while its block uses another.
        self._max_size = max(2, self._dsn.connection_limit or max_size)
        self._pool: asyncpg.Pool[Record] | None = None
        self._refusal: tuple[str, float] | None = None

    @property
    def refusal(self) -> str | None:
        """
        Why PostgreSQL refused a change of this process in the last 30 seconds, without its words.

        None: it refused none, or only as read-only, which `is_read_only` tells.
        """
        if self._refusal is None or time.monotonic() - self._refusal[1] > _REFUSAL_AGE:
            return None
        return self._refusal[0]

    async def open(self) -> None:
        """
        Connect.

        Raises:
            DatabaseUnavailable: PostgreSQL does not answer.
            BadDatabaseUrl: a file that the address names cannot be read.
        """
        try:
            self._pool = await asyncpg.create_pool(
                **connect_arguments(
                    self._dsn, settings=self._settings(), statement_cache_size=1024
                ),
                min_size=min(self._min_size, self._max_size),
                max_size=self._max_size,
                init=self._prepare,
                # The default reset costs a round trip after every use. Our connections have no
                # state to reset, and a failed block rolls back its transaction itself.
                reset=_reset_nothing,
                timeout=_CONNECT_TIMEOUT,
                command_timeout=_STATEMENT_TIMEOUT,
            )
        except asyncpg.ClientConfigurationError as error:
            raise BadDatabaseUrl(f"DATABASE_URL: {describe_refusal(error)}.") from None
        except (*CONNECTION_UNUSABLE, asyncpg.PostgresError) as error:
            reason = describe_refusal(error)
            _log.error("database.refused", reason=reason)
            raise DatabaseUnavailable(f"The database cannot be reached: {reason}.") from error

    async def _prepare(self, connection: AnyConnection) -> None:
        if not self._dsn.pgbouncer:
            await lift_transaction_timeout(connection)
        # In one transaction, because a pooler may give the next one another connection.
        async with connection.transaction():
            await prepare_connection(connection)

    def _settings(self) -> dict[str, str]:
        return {
            "work_mem": _WORK_MEM,
            "lock_timeout": f"{(self._lock_timeout or 0) * 1000:.0f}",
            **statement_timeout(_STATEMENT_TIMEOUT),
        }

    async def close(self) -> None:
        """Close every connection; running statements have five seconds to end."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), timeout=_CLOSE_TIMEOUT)
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """
        Open a connection outside any transaction for the length of the block.

        Raises:
            DatabaseUnavailable: there is no connection.
        """
        async with self._acquire() as connection:
            yield Reader(connection)

    async def is_read_only(self) -> bool:
        """
        Test whether PostgreSQL takes no changes; a pooler's session that takes none is closed.

        Raises:
            DatabaseUnavailable: there is no connection.
        """
        async with self._acquire(for_changes=True) as connection:
            block = connection.transaction()
            await translate_errors(connection, block.start)
            found = await translate_errors(connection, connection.fetchval, _IS_READ_ONLY)
            if found and self._dsn.pgbouncer:
                # With its transaction open: after a ROLLBACK the pooler would keep the session.
                connection.terminate()
            await roll_back(connection, block)
            return bool(found)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """
        Open a transaction that commits when the block ends, and rolls back when it raises.

        After the block no reader can be served an older value of what it changed.

        Raises:
            DatabaseUnavailable: there is no connection, or it was lost; nothing has changed.
            CommitOutcomeUnknown: it was lost at the COMMIT; check the outcome later.
        """
        if _in_transaction.get():
            # The inner one would commit on its own connection even if the outer one fails.
            raise RuntimeError("A transaction is open already: pass it on.")
        token = _in_transaction.set(True)
        try:
            async with self._acquire(for_changes=True) as connection:
                block = connection.transaction()
                await translate_errors(connection, block.start)
                try:
                    tx = Transaction(connection)
                    yield tx
                    prepared = await self._committer.prepare(tx)
                except BaseException:
                    await roll_back(connection, block)
                    raise
                confirmed = await self._committer.commit(connection, block, prepared)
        finally:
            _in_transaction.reset(token)
        await self._committer.acknowledge(prepared, confirmed=confirmed)

    async def run(
        self,
        work: Callable[[Transaction], Awaitable[_Result]],
        *,
        attempts: int,
        retryable: tuple[type[asyncpg.PostgresError], ...] = RETRYABLE,
    ) -> _Result:
        """
        Run `work` in a transaction; repeat both after a collision, up to `attempts` in all.

        `work` must do nothing outside the database.

        Raises:
            asyncpg.PostgresError: the last attempt collided, or one failed otherwise.
            DatabaseUnavailable: as `transaction`; this is not retried.
        """
        for attempts_left in reversed(range(attempts)):
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except retryable as error:
                if not attempts_left:
                    raise
                _log.info("database.again", reason=type(error).__name__)
        raise AssertionError

    @asynccontextmanager
    async def hold_lock(self, name: str) -> AsyncIterator[bool]:
        """
        Hold the lock of this name for the length of the block, across all machines.

        Yields False at once if it is held elsewhere. PostgreSQL frees it when the process dies or
        the connection is lost, so the work under it must be able to detect a successor.

        Raises:
            DatabaseUnavailable: there is no connection.
        """
        hold = _hold_in_transaction if self._dsn.pgbouncer else _hold_in_session
        async with self._acquire() as connection, hold(connection, name) as held:
            yield held

    @asynccontextmanager
    async def _acquire(self, *, for_changes: bool = False) -> AsyncIterator[Connection]:
        if self._pool is None:
            raise DatabaseUnavailable
        try:
            # An idle connection is there at once, and a timer costs a tenth of a short read.
            timeout = None if self._pool.get_idle_size() else _ACQUIRE_TIMEOUT
            connection = await self._pool.acquire(timeout=timeout)
            for _ in range(_MAX_REPLACED if for_changes else 0):
                if not _was_opened_read_only(connection):
                    break
                connection.terminate()
                await self._pool.release(connection)
                # Mostly a new one; a task that waited may have taken it, and left an older one.
                connection = await self._pool.acquire(timeout=_ACQUIRE_TIMEOUT)
        except (*CONNECTION_UNUSABLE, asyncpg.PostgresError) as error:
            # It connected before, so whatever it says now (the database is being restored, or does not
            # exist for a moment) may pass.
            _log.warning("database.refused", reason=describe_refusal(error))
            raise DatabaseUnavailable from error
        try:
            yield connection
        except DatabaseReadOnly as error:
            self._note_refusal(error.__cause__)
            # A session stays read-only when its server is so no longer, and the address may lead to
            # another server by now.
            if not is_lost(connection):
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    def _note_refusal(self, error: BaseException | None) -> None:
        for kind, reason in _REFUSALS.items():
            if isinstance(error, kind):
                self._refusal = reason, time.monotonic()
                return


@asynccontextmanager
async def _hold_in_session(connection: Connection, name: str) -> AsyncIterator[bool]:
    held: bool = await translate_errors(connection, connection.fetchval, _TRY_LOCK, name)
    try:
        yield held
    finally:
        if held and not is_lost(connection):
            # If the connection is lost now, the lock is free as well.
            with suppress(DatabaseUnavailable):
                await translate_errors(connection, connection.fetchval, _UNLOCK, name)


@asynccontextmanager
async def _hold_in_transaction(connection: Connection, name: str) -> AsyncIterator[bool]:
    # A pooler gives the session to others, but not before the transaction ends. Between statements an
    # open transaction of this isolation has no snapshot, so it does not stop VACUUM.
    block = connection.transaction()
    await translate_errors(connection, block.start)
    try:
        yield await translate_errors(connection, connection.fetchval, _LOCK_TRANSACTION, name)
    finally:
        await roll_back(connection, block)


def _was_opened_read_only(connection: Connection) -> bool:
    """
    Test whether the session was opened while its server took no changes.

    Such a session may stay read-only when a new one is not, or lead to a standby that was replaced.
    PostgreSQL reports both settings without being asked.
    """
    settings = connection.get_settings()
    return (
        getattr(settings, "default_transaction_read_only", "off") == "on"
        or getattr(settings, "in_hot_standby", "off") == "on"
    )


async def _reset_nothing(connection: AnyConnection) -> None:
    del connection
