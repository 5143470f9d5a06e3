"""The connection that changes the schema, and the lock that lets one process at a time change it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg
from asyncpg import Record

from keyshop.kit.database.connect import connect, describe_refusal
from keyshop.kit.database.errors import (
    CONNECTION_LOST,
    CONNECTION_UNUSABLE,
    DatabaseUnavailable,
    PrivilegeMissing,
)
from keyshop.kit.dsn import clean_dsn
from keyshop.schema.errors import ServerRefused, StatementCancelled, UpgradeBusy

MIN_SERVER: Final = 15

# Quoted: asyncpg.Connection is generic for the type checker only.
Connection: TypeAlias = "asyncpg.Connection[Record]"

# A revision may pause for longer than a transaction of the shop, and take as long as it needs.
_SETTINGS: Final = {"idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}

_MAX_WAIT: Final = 120.0  # seconds
_RETRY_DELAY: Final = 0.05  # seconds

# Returns a row count and no rows: the driver would keep a fetched statement open, with its snapshot.
_TRY_LOCK: Final = (
    "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended('keyshop.kit.migrate', 0))"
)
_LOCKED: Final = "SELECT 1"


@asynccontextmanager
async def connected(
    database_url: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Connection]:
    """
    Connect for the length of a block; `settings` are PostgreSQL's.

    Raises:
        BadDatabaseUrl: the URL is not valid.
        DatabaseUnavailable: the server does not answer, or the connection was lost in the block.
        ServerRefused: it refuses the login, has no such database, or is too old.
        StatementCancelled: it cancelled a statement of the block.
        PrivilegeMissing: the role may not run a statement of the block.
    """
    try:
        connection = await _connect(database_url, settings or {})
        try:
            yield connection
        finally:
            await connection.close()
    except asyncpg.QueryCanceledError as error:
        raise StatementCancelled(error) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise PrivilegeMissing(error) from error
    except CONNECTION_UNUSABLE:
        raise DatabaseUnavailable from None


def is_connection_lost(error: asyncpg.PostgresError) -> bool:
    """Test whether PostgreSQL has closed the connection; otherwise it has refused a statement."""
    # A cancelled statement is an operator's intervention too, but the connection stays.
    return isinstance(error, CONNECTION_LOST) and not isinstance(error, asyncpg.QueryCanceledError)


@asynccontextmanager
async def lock_migrations(connection: Connection) -> AsyncIterator[None]:
    """
    Open a transaction that locks the schema against other processes that change it.

    Raises:
        UpgradeBusy: another process held the lock for two minutes.
    """
    # CREATE INDEX CONCURRENTLY of the process that holds the lock waits for every transaction that has a
    # snapshot at that moment. So this never waits for the lock: it tries repeatedly, each time in a
    # transaction of its own.
    deadline = time.monotonic() + _MAX_WAIT
    while True:
        async with connection.transaction(isolation="read_committed"):
            if await connection.execute(_TRY_LOCK) == _LOCKED:
                yield
                return
        if time.monotonic() > deadline:
            raise UpgradeBusy
        await asyncio.sleep(_RETRY_DELAY)


async def _connect(database_url: str, settings: Mapping[str, str]) -> Connection:
    dsn = clean_dsn(database_url)
    try:
        connection = await connect(dsn, settings={**_SETTINGS, **settings}, statement_cache_size=0)
    except asyncpg.ProtocolViolationError as error:
        # A pooler's word for a parameter or a login that it does not know.
        raise _refused(error) from None
    except CONNECTION_LOST as error:
        reason = describe_refusal(error)
        raise DatabaseUnavailable(f"The database cannot be reached: {reason}.") from None
    except (asyncpg.PostgresError, asyncpg.ClientConfigurationError) as error:
        raise _refused(error) from None
    server = connection.get_server_version().major
    if server < MIN_SERVER:
        await connection.close()
        raise ServerRefused(
            f"The server is PostgreSQL {server}; keyshop needs {MIN_SERVER} or newer."
        )
    return connection


def _refused(error: Exception) -> ServerRefused:
    return ServerRefused(
        f"PostgreSQL refused the connection in DATABASE_URL: {describe_refusal(error)}."
    )
