"""The worker's own connection: it hears of jobs, claims them and renews leases on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
from asyncpg import Connection, Record

from keyshop.kit.database.connect import connect, statement_timeout
from keyshop.kit.database.errors import CONNECTION_UNUSABLE
from keyshop.kit.dsn import clean_dsn


@asynccontextmanager
async def connected(database_url: str, *, lease: timedelta) -> AsyncIterator["Connection[Record]"]:
    """
    Open a connection for the length of the block.

    Raises:
        OSError, asyncpg.InterfaceError, asyncpg.PostgresError: the database does not answer.
    """
    timeout = lease.total_seconds()
    connection = await connect(
        clean_dsn(database_url),
        timeout=10,
        # When a statement takes longer than the lease, the jobs are lost anyway.
        command_timeout=timeout,
        settings=statement_timeout(timeout),
    )
    try:
        yield connection
    finally:
        with suppress(*CONNECTION_UNUSABLE, asyncpg.PostgresError):
            await connection.close(timeout=2)
