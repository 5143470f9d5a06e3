"""One connection for work on the schema, and whose turn it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import asyncpg
from asyncpg import Record

from keyshop.kit.database.errors import CONNECTION_LOST, DatabaseUnavailable
from keyshop.kit.dsn import clean_dsn
from keyshop.schema.errors import ServerRefused, UpgradeBusy

MIN_SERVER: Final = 15

# Quoted: only the type checker knows it as generic.
Connection: TypeAlias = "asyncpg.Connection[Record]"

_MAX_TURN: Final = 120.0  # seconds that an upgrade at work is waited for
_BETWEEN_TRIES: Final = 0.05  # seconds

# Rows are counted, not fetched: the driver would leave the statement open in the transaction.
_TAKE_TURN: Final = (
    "SELECT WHERE pg_try_advisory_xact_lock(hashtextextended('keyshop.kit.migrate', 0))"
)
_TAKEN: Final = "SELECT 1"


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Connection]:
    """
    Connect for the length of a block.

    Raises:
        BadDatabaseUrl: the address is none.
        DatabaseUnavailable: the server does not answer, or left within the block.
        ServerRefused: it refuses the login, has no such database, or is too old.
    """
    try:
        connection = await _connect(database_url)
        try:
            yield connection
        finally:
            await connection.close()
    except (*CONNECTION_LOST, asyncpg.InterfaceError):
        # The driver complains of its own connection when the server left in a transaction.
        raise DatabaseUnavailable from None


async def lock_migrations(connection: Connection) -> None:
    """
    Keep all others who work on the schema out until the transaction ends.

    Raises:
        UpgradeBusy: another one was at work for two minutes.
    """
    # Asked for again and again, never waited for: a statement that waits, or is left open, holds a
    # snapshot, and an index that is built beside a running shop waits for all older snapshots.
    try:
        async with asyncio.timeout(_MAX_TURN):
            while True:
                if await connection.execute(_TAKE_TURN) == _TAKEN:
                    return
                await asyncio.sleep(_BETWEEN_TRIES)
    except TimeoutError as error:
        raise UpgradeBusy from error


async def _connect(database_url: str) -> Connection:
    url = clean_dsn(database_url).url
    try:
        connection: Connection = await asyncpg.connect(
            url, statement_cache_size=0, server_settings={"timezone": "UTC"}
        )
    except CONNECTION_LOST:
        raise
    except (asyncpg.PostgresError, asyncpg.ClientConfigurationError) as error:
        raise ServerRefused(f"PostgreSQL cannot be used by DATABASE_URL: {error}.") from None
    server = connection.get_server_version().major
    if server < MIN_SERVER:
        await connection.close()
        raise ServerRefused(
            f"The server is PostgreSQL {server}; keyshop needs {MIN_SERVER} or newer."
        )
    return connection
