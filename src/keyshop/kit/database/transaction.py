"""Statements on one connection; a lost connection and a failed statement raise different errors."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import structlog
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

from keyshop.kit.database.errors import (
    CONNECTION_LOST,
    PARAMETERS_OUTDATED,
    REFUSED_FOR_NOW,
    SCHEMA_CHANGED,
    STATEMENT_OUTDATED,
    DatabaseBusy,
    DatabaseReadOnly,
    DatabaseSlow,
    DatabaseUnavailable,
    PrivilegeMissing,
    SchemaChanged,
    TablesChanged,
)

# Quoted: only the type checker knows it as generic.
Connection: TypeAlias = "PoolConnectionProxy[Record]"
_Result = TypeVar("_Result")

_log = structlog.get_logger(__name__)

# What PostgreSQL said is missing or not allowed, so that each is logged once and not with every request.
_logged: set[str] = set()

# Without locks, settings and functions that may write.
_PLAIN_SELECT: Final = re.compile(
    r"\s*SELECT\b(?!.*(\bFOR\s+(NO\s+KEY\s+|KEY\s+)?(UPDATE|SHARE)\b|\bINTO\b"
    r"|\b(pg_\w+|set_config|nextval|setval|keyshop\.\w+)\s*\())",
    re.IGNORECASE | re.DOTALL,
)


class Reader:
    """One connection; its statements raise DatabaseUnavailable when it is lost."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        return await self._run(self._connection.fetch, sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        return await self._run(self._connection.fetchrow, sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row; its type is that of the statement."""
        return await self._run(self._connection.fetchval, sql, *args)

    async def _run(
        self, statement: Callable[..., Awaitable[_Result]], sql: str, *args: object
    ) -> _Result:
        try:
            return await translate_errors(self._connection, statement, sql, *args)
        except Exception as error:
            # The driver itself repeats some of what PostgreSQL has refused, and nothing that it could
            # not decode.
            if not (_is_outdated(error) and _only_reads(sql)):
                raise
        await self._connection.reload_schema_state()
        return await translate_errors(self._connection, statement, sql, *args)


class Transaction(Reader):
    """
    Statements that take effect together, or not at all.

    A statement that was prepared before a table was altered is prepared again. While the transaction
    has only read, it then begins anew; afterwards it raises TablesChanged.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._has_only_read = True

    async def execute(self, sql: str, *args: object) -> int:
        """Run the statement, and return the number of rows that it changed."""
        return _count_rows(await self._run(self._connection.execute, sql, *args))

    async def execute_many(self, sql: str, args: Iterable[Sequence[object]]) -> None:
        """Run the statement once for each tuple of arguments, in one round trip."""
        await self._run(self._connection.executemany, sql, list(args))

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
        self._has_only_read = False
        await translate_errors(self._connection, copy)

    async def _run(
        self, statement: Callable[..., Awaitable[_Result]], sql: str, *args: object
    ) -> _Result:
        may_begin_anew = self._has_only_read
        self._has_only_read = may_begin_anew and _only_reads(sql)
        try:
            return await translate_errors(self._connection, statement, sql, *args)
        except Exception as error:
            if not _is_outdated(error):
                raise
            await self._connection.reload_schema_state()
            if not may_begin_anew:
                raise TablesChanged from error
        await translate_errors(self._connection, self._connection.execute, "ROLLBACK;")
        await translate_errors(self._connection, self._connection.execute, "BEGIN;")
        try:
            return await translate_errors(self._connection, statement, sql, *args)
        except STATEMENT_OUTDATED as error:
            raise TablesChanged from error

    @property
    def raw(self) -> Connection:
        """
        The driver's connection, for libraries that enqueue on the caller's connection.

        The shop's own statements use the methods above.
        """
        self._has_only_read = False
        return self._connection


async def roll_back(connection: Connection, block: asyncpg.transaction.Transaction) -> None:
    """Undo the transaction; PostgreSQL itself undoes one on a lost connection."""
    if not is_lost(connection):
        # The connection may be lost between the test and the statement.
        with suppress(DatabaseUnavailable):
            await translate_errors(connection, block.rollback)


@lru_cache(maxsize=1024)
def _only_reads(sql: str) -> bool:
    return _PLAIN_SELECT.match(sql) is not None


def _is_outdated(error: Exception) -> bool:
    """Test whether the statement may succeed when it is prepared again."""
    if isinstance(error, SchemaChanged):
        # It was prepared for another type than the column has now.
        return isinstance(error.__cause__, PARAMETERS_OUTDATED)
    if isinstance(error, asyncpg.InternalServerError):
        # The type of a parameter was dropped, as Prisma does when it changes an enum.
        return str(error).startswith("cache lookup failed for type")
    return isinstance(error, STATEMENT_OUTDATED)


def _count_rows(tag: str) -> int:
    number = tag.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0


async def translate_errors(
    connection: Connection, statement: Callable[..., Awaitable[_Result]], *args: object
) -> _Result:
    """
    Run the statement, and translate the errors that pass by themselves.

    Raises:
        DatabaseUnavailable: the connection is lost.
        DatabaseBusy: another transaction holds a lock for too long.
        DatabaseReadOnly: the server takes no changes at the moment.
        DatabaseSlow: the server cancelled the statement.
        SchemaChanged: a table, column or function is missing; logged once for each.
        PrivilegeMissing: the role may not do it; logged once for each.
        asyncpg.PostgresError: the statement failed.
    """
    try:
        # Called inside the try: a connection that the pool took back raises before the await.
        return await statement(*args)
    except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
        if isinstance(error, asyncpg.PostgresError):
            _clear_values(error)
        unavailable = _find_unavailable(error)
        if unavailable is None:
            raise
        raise unavailable from error
    except asyncpg.InterfaceError as error:
        # The driver raises this if the connection was lost between two statements.
        if is_lost(connection):
            raise DatabaseUnavailable from error
        raise
    except asyncpg.InternalClientError as error:
        # The server's shutdown message arrived in the middle of a statement, and the driver cannot
        # continue.
        if not is_lost(connection):
            connection.terminate()
        raise DatabaseUnavailable from error


def _find_unavailable(error: Exception) -> DatabaseUnavailable | None:
    """Return what the shop says of an error that may pass by itself; None: it is a fault."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return DatabaseSlow()
    if isinstance(error, CONNECTION_LOST):
        return DatabaseUnavailable()
    if isinstance(error, REFUSED_FOR_NOW):
        _log.warning("database.refused_change", reason=str(error))
        return DatabaseReadOnly()
    if isinstance(error, asyncpg.LockNotAvailableError):
        return DatabaseBusy()
    return _find_missing(error)


def _find_missing(error: Exception) -> DatabaseUnavailable | None:
    """Return what the shop says where it has no use of what a statement needs; logged once for each."""
    if isinstance(error, SCHEMA_CHANGED):
        _log_once("database.schema_changed", str(error))
        return SchemaChanged()
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        _log_once("database.privilege_missing", str(error))
        return PrivilegeMissing()
    return None


def _log_once(event: str, reason: str) -> None:
    if reason not in _logged:
        _logged.add(reason)
        _log.error(event, reason=reason)


def _clear_values(error: asyncpg.PostgresError) -> None:
    # The detail quotes a refused row, of users with e-mail address and password hash, and the error
    # may be logged or stored with a dead letter.
    error.detail = error.hint = error.context = None


def is_lost(connection: Connection) -> bool:
    """Test whether the connection was lost, or taken back by the pool."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back, as it does with a lost connection
