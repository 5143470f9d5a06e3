"""
The one way to PostgreSQL: pooled connections, reads, and the only place that commits.

Database
├── read()         one connection, no transaction: for single statements
├── hold_lock()    one holder of a name at a time, across all machines
└── transaction()  one transaction at READ COMMITTED, committed when its block ends well
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import msgspec
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
    "idle_in_transaction_session_timeout": "60000",
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

_in_transaction: ContextVar[bool] = ContextVar("in_transaction", default=False)


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached."""

    def __init__(self) -> None:
        super().__init__("The database cannot be reached at the moment. Please try again.")


class Reader:
    """One connection on which statements run; each raises DatabaseUnavailable when it is cut."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Return all rows of the statement."""
        return await _told(self._connection, self._connection.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Return the first row of the statement, if it has one."""
        return await _told(self._connection, self._connection.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row; its type is what the statement selects."""
        return await _told(self._connection, self._connection.fetchval(sql, *args))


class Transaction(Reader):
    """Statements that take effect together, or not at all."""

    async def execute(self, sql: str, *args: object) -> int:
        """Run the statement and return how many rows it touched."""
        tag = await _told(self._connection, self._connection.execute(sql, *args))
        return _rows_touched(tag)

    async def execute_many(self, sql: str, args: Iterable[Sequence[object]]) -> None:
        """Run the statement once for each tuple of arguments, in one round trip."""
        await _told(self._connection, self._connection.executemany(sql, args))

    async def copy_records(
        self,
        table: str,
        *,
        columns: Sequence[str],
        records: Iterable[Sequence[object]],
        schema: str | None = None,
    ) -> None:
        """Append the records to the table by COPY, in the binary format."""
        copy = self._connection.copy_records_to_table(
            table, records=records, columns=columns, schema_name=schema
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

    def __init__(self, dsn: str, *, min_size: int = 1, max_size: int = 10) -> None:
        """
        Remember where the database is; `open` connects.

        Raises:
            Invalid: the address is none, or names a schema other than public.
        """
        self._dsn = clean_dsn(dsn)
        self._min_size = min_size
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
                server_settings=_SESSION_SETTINGS,
                statement_cache_size=0 if self._dsn.pgbouncer else 1024,
                timeout=10,
                command_timeout=60,
            )
        except _AWAY as error:
            raise DatabaseUnavailable from error

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

        Raises:
            DatabaseUnavailable: no connection can be had.
        """
        if _in_transaction.get():
            # The inner one would commit on another connection, whatever becomes of the outer one.
            raise RuntimeError("A transaction is open already: pass it on, or use a savepoint.")
        token = _in_transaction.set(True)
        try:
            async with self._acquire() as connection, _block(connection):
                yield Transaction(connection)
        finally:
            _in_transaction.reset(token)

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
            held: bool = await _told(connection, connection.fetchval(_LOCK, name))
            try:
                yield held
            finally:
                if held and not _is_lost(connection):
                    # Cut in this very moment: the lock is free as well.
                    with suppress(DatabaseUnavailable):
                        await _told(connection, connection.fetchval(_UNLOCK, name))

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


async def _told(connection: _Connection, statement: Awaitable[_Result]) -> _Result:
    """Wait for the statement, and tell a lost connection from a statement that failed."""
    try:
        return await statement
    except _AWAY as error:
        raise DatabaseUnavailable from error
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


def _is_lost(connection: _Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already, as it does when one is cut


@asynccontextmanager
async def _block(connection: _Connection) -> AsyncIterator[None]:
    """Open a transaction, or a savepoint inside one; commit at the end, roll back a failure."""
    block = connection.transaction()
    await _told(connection, block.start())
    try:
        yield
    except BaseException:
        await _roll_back(connection, block)
        raise
    await _told(connection, block.commit())


async def _roll_back(connection: _Connection, block: asyncpg.transaction.Transaction) -> None:
    if not _is_lost(connection):
        # Cut in this very moment: PostgreSQL rolls back by itself.
        with suppress(DatabaseUnavailable):
            await _told(connection, block.rollback())


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
