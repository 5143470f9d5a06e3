"""
The one way to PostgreSQL: pooled connections, reads, and the only place that commits.

Database
├── read()         one connection, no transaction: for single statements
├── hold_lock()    one holder of a name at a time, across all machines
└── transaction()  one transaction at READ COMMITTED, committed when its block ends well
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import asyncpg
import msgspec
import structlog
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

from keyshop.kit.dsn import clean_dsn
from keyshop.kit.errors import Unavailable

# Quoted: only the type checker knows them as generic.
_Connection: TypeAlias = "PoolConnectionProxy[Record]"
_AnyConnection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"
_Row = TypeVar("_Row", bound=msgspec.Struct)
_Result = TypeVar("_Result")

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

# A leader that stops between two statements must not hold its locks for ever.
_SESSION_SETTINGS: Final = {
    "timezone": "UTC",
    # The ids of a large catalogue, on their way to a page, stay in memory.
    "work_mem": "16MB",
    "idle_in_transaction_session_timeout": "5000",
}

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"

# What the driver raises when the server is away, going away, or full.
_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)

_LONGEST_WAIT: Final = 10.0  # seconds for a free connection

# An interrupted COMMIT goes on inside the server for a moment.
_OUTCOME: Final = """
    SELECT pg_xact_status($1::text::xid8) AS outcome,
        extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS uptime
"""
_OUTCOME_PATIENCE: Final = 3.0  # seconds
_OUTCOME_EVERY: Final = 0.05
_OUTCOME_MARGIN: Final = 1.0

_AGAIN: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

_log = structlog.get_logger(__name__)

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    def __init__(
        self, sentence: str = "The database cannot be reached at the moment. Please try again."
    ) -> None:
        super().__init__(sentence)


class DatabaseBusy(DatabaseUnavailable):
    """Somebody else holds a row for longer than this process waits."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody else is changing the same thing at the moment. Please try again."
        )


class OutcomeUnknown(DatabaseUnavailable):
    """
    The connection broke at a COMMIT, and PostgreSQL cannot be asked.

    What became of the COMMIT is not known; or it was done, and readers may be given what was before.
    """

    may_be_repeated = False

    def __init__(self) -> None:
        super().__init__(
            "It is not known whether this was done. Please look before you try it again."
        )


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that is ready to be committed."""

    xid: str | None
    """PostgreSQL's id of it; None: it wrote nothing."""


class CommitGuard(Protocol):
    """What stands around every COMMIT, so that no cache outlives the truth."""

    async def prepare(self, tx: "Transaction") -> Prepared:
        """Do what must be done before the COMMIT, as the transaction's last statements."""
        ...

    async def settle(self, db: "Database", prepared: Prepared, *, committed: bool) -> None:
        """Do what must be done before the COMMIT is acknowledged, or after it was undone."""
        ...


def in_transaction() -> bool:
    """Test whether this task has a transaction open."""
    return _in_transaction.get()


class Reader:
    """One connection on which statements run; each raises DatabaseUnavailable when it is cut."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Return all rows of the statement."""
        return await _told(self._connection, self._connection.fetch, sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Return the first row of the statement, if it has one."""
        return await _told(self._connection, self._connection.fetchrow, sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row; its type is what the statement selects."""
        return await _told(self._connection, self._connection.fetchval, sql, *args)


class Transaction(Reader):
    """Statements that take effect together, or not at all."""

    async def execute(self, sql: str, *args: object) -> int:
        """Run the statement and return how many rows it touched."""
        tag = await _told(self._connection, self._connection.execute, sql, *args)
        return _rows_touched(tag)

    async def execute_many(self, sql: str, args: Iterable[Sequence[object]]) -> None:
        """Run the statement once for each tuple of arguments, in one round trip."""
        await _told(self._connection, self._connection.executemany, sql, args)

    async def copy_records(
        self,
        table: str,
        *,
        columns: Sequence[str],
        records: Iterable[Sequence[object]],
        schema: str | None = None,
    ) -> None:
        """Append the records to the table by COPY, in the binary format."""
        copy = partial(
            self._connection.copy_records_to_table,
            table,
            records=records,
            columns=columns,
            schema_name=schema,
        )
        await _told(self._connection, copy)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what happens inside when it fails, and only that."""
        async with _block(self._connection):
            yield

    @property
    def raw(self) -> _Connection:
        """
        The driver's own connection, inside this transaction.

        For libraries that enqueue on the caller's connection; never for statements of ours.
        """
        return self._connection


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(
        self,
        dsn: str,
        *,
        guard: CommitGuard,
        min_size: int = 1,
        max_size: int = 10,
        lock_patience: float | None = None,
    ) -> None:
        """
        Remember where the database is; `open` connects. Every transaction is committed by `guard`.

        A statement waits for others' locks for `lock_patience` seconds, or as long as it takes, and
        raises DatabaseBusy then.

        Raises:
            Invalid: the address is none, or names a schema other than public.
        """
        self._dsn = clean_dsn(dsn)
        self._guard = guard
        self._min_size = min_size
        self._lock_patience = lock_patience
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
        except _AWAY as error:
            raise DatabaseUnavailable from error

    def _session_settings(self) -> dict[str, str]:
        if self._lock_patience is None:
            return _SESSION_SETTINGS
        return {**_SESSION_SETTINGS, "lock_timeout": f"{self._lock_patience * 1000:.0f}"}

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
            OutcomeUnknown: it was cut at the COMMIT, and PostgreSQL is away: look again later.
        """
        if _in_transaction.get():
            # The inner one would commit on another connection, whatever becomes of the outer one.
            raise RuntimeError("A transaction is open already: pass it on, or use a savepoint.")
        token = _in_transaction.set(True)
        try:
            async with self._acquire() as connection:
                block = connection.transaction()
                await _told(connection, block.start)
                try:
                    tx = Transaction(connection)
                    yield tx
                    prepared = await self._guard.prepare(tx)
                except BaseException:
                    await _roll_back(connection, block)
                    raise
                known = await self._commit(connection, block, prepared)
        finally:
            _in_transaction.reset(token)
        if not known:
            await self._learn_outcome(prepared)
        try:
            await self._guard.settle(self, prepared, committed=True)
        except DatabaseUnavailable as error:
            # It is done; told as "away", somebody would do it twice.
            raise OutcomeUnknown from error

    async def run(
        self,
        work: Callable[[Transaction], Awaitable[_Result]],
        *,
        attempts: int,
        again: tuple[type[asyncpg.PostgresError], ...] = _AGAIN,
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
            except again as error:
                if not left:
                    raise
                _log.info("database.again", because=type(error).__name__)
        raise AssertionError

    async def _commit(
        self,
        connection: _Connection,
        block: asyncpg.transaction.Transaction,
        prepared: Prepared,
    ) -> bool:
        """Send COMMIT and return whether PostgreSQL is known to have done it."""
        try:
            await _told(connection, block.commit)
        except DatabaseUnavailable:
            return False
        except asyncpg.PostgresError:
            await self._guard.settle(self, prepared, committed=False)
            raise
        except BaseException:
            # Stopped amid COMMIT: the connection may still be inside the transaction.
            connection.terminate()
            raise
        return True

    async def _learn_outcome(self, prepared: Prepared) -> None:
        """
        Ask PostgreSQL what became of a COMMIT that nobody answered.

        Raises:
            DatabaseUnavailable: it was undone.
            OutcomeUnknown: PostgreSQL does not answer.
        """
        if prepared.xid is None:
            return
        broke = time.monotonic()
        try:
            async with asyncio.timeout(_OUTCOME_PATIENCE):
                found = await self._outcome(prepared.xid)
        except (DatabaseUnavailable, TimeoutError) as error:
            raise OutcomeUnknown from error
        except asyncpg.InvalidParameterValueError as error:
            # An id of the future: a crash has lost all trace of the transaction.
            raise DatabaseUnavailable from error
        if found["outcome"] != "committed":
            await self._guard.settle(self, prepared, committed=False)
            raise DatabaseUnavailable
        if found["uptime"] < time.monotonic() - broke + _OUTCOME_MARGIN:
            # After a crash, ids of transactions that were lost are given to others.
            raise OutcomeUnknown

    async def _outcome(self, xid: str) -> Record:
        """Return what became of the transaction; waits as long as the server is at it."""
        while True:
            async with self.read() as reader:
                found = await reader.fetchrow(_OUTCOME, xid)
            if found is not None and found["outcome"] != "in progress":
                return found
            await asyncio.sleep(_OUTCOME_EVERY)

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
            held: bool = await _told(connection, connection.fetchval, _LOCK, name)
            try:
                yield held
            finally:
                if held and not _is_lost(connection):
                    # Cut in this very moment: the lock is free as well.
                    with suppress(DatabaseUnavailable):
                        await _told(connection, connection.fetchval, _UNLOCK, name)

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[_Connection]:
        if self._pool is None:
            raise DatabaseUnavailable
        try:
            # Where one lies ready nobody waits, and a timer costs a tenth of a short read.
            patience = None if self._pool.get_idle_size() else _LONGEST_WAIT
            connection = await self._pool.acquire(timeout=patience)
        except _AWAY as error:
            raise DatabaseUnavailable from error
        try:
            yield connection
        finally:
            await self._pool.release(connection)


async def _told(
    connection: _Connection, statement: Callable[..., Awaitable[_Result]], *args: object
) -> _Result:
    """Run the statement, and tell a lost connection from a statement that failed."""
    try:
        # Called in here: a connection that the pool took back refuses before there is any waiting.
        return await statement(*args)
    except _AWAY as error:
        raise DatabaseUnavailable from error
    except asyncpg.LockNotAvailableError as error:
        raise DatabaseBusy from error
    except asyncpg.PostgresError as error:
        _forget_values(error)
        raise
    except asyncpg.InterfaceError as error:
        # The driver says so when the server went away between two statements.
        if _is_lost(connection):
            raise DatabaseUnavailable from error
        raise
    except asyncpg.InternalClientError as error:
        # The server's last words came amid the messages of a statement, and the driver is lost.
        if not _is_lost(connection):
            connection.terminate()
        raise DatabaseUnavailable from error


def _forget_values(error: asyncpg.PostgresError) -> None:
    # A refused row of users stands in the detail, e-mail address and password hash included, and
    # the error may be logged, or kept with a job that failed for good.
    error.detail = error.hint = error.context = None


def _is_lost(connection: _Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already, as it does when one is cut


@asynccontextmanager
async def _block(connection: _Connection) -> AsyncIterator[None]:
    """Open a transaction, or a savepoint inside one; commit at the end, roll back a failure."""
    block = connection.transaction()
    await _told(connection, block.start)
    try:
        yield
    except BaseException:
        await _roll_back(connection, block)
        raise
    await _told(connection, block.commit)


async def _roll_back(connection: _Connection, block: asyncpg.transaction.Transaction) -> None:
    if not _is_lost(connection):
        # Cut in this very moment: PostgreSQL rolls back by itself.
        with suppress(DatabaseUnavailable):
            await _told(connection, block.rollback)


def rows(kind: type[_Row], records: Iterable[Record]) -> list[_Row]:
    """Return the records as Structs; a Struct's fields are named as the columns."""
    return [kind(**record) for record in records]


def row(kind: type[_Row], record: Record) -> _Row:
    """Return one record as a Struct."""
    return kind(**record)


async def prepare_connection(connection: _AnyConnection) -> None:
    """
    Make `timestamp` columns read and write aware UTC times.

    The driver refuses aware values for them, and hands out naive ones that print without a zone.
    """
    await connection.set_type_codec(
        "timestamp",
        schema="pg_catalog",
        encoder=_encode_timestamp,
        decoder=_decode_timestamp,
        format="tuple",
    )


def _encode_timestamp(moment: datetime) -> tuple[int]:
    return ((moment - _EPOCH) // _MICROSECOND,)


def _decode_timestamp(value: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value[0])
    except OverflowError:
        # PostgreSQL knows infinity, and years that a datetime does not.
        return _LATEST if value[0] > 0 else _EARLIEST


async def _reset_nothing(connection: _AnyConnection) -> None:
    del connection


def _rows_touched(tag: str) -> int:
    number = tag.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0
