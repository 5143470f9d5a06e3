"""A connection to PostgreSQL that is kept for the cache's own short statements."""

import asyncio
from types import TracebackType
from typing import Self

import asyncpg
from asyncpg import Connection, Record

from keyshop.kit.dsn import clean_dsn


class ReconnectingConnection:
    """One connection, made at the first use and again after every failure."""

    def __init__(self, database_url: str, *, timeout: float) -> None:
        """Remember the address; statements end after `timeout` seconds."""
        self._dsn = clean_dsn(database_url)
        self._timeout = timeout
        self._connection: Connection[Record] | None = None

    async def use(self) -> "Connection[Record]":
        """
        Return the connection.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: there is none to be had.
        """
        if self._connection is None or self._connection.is_closed():
            async with asyncio.timeout(max(self._timeout, 2.0)):
                self._connection = await asyncpg.connect(
                    self._dsn.url,
                    command_timeout=self._timeout,
                    statement_cache_size=0 if self._dsn.pgbouncer else 100,
                    server_settings={
                        "timezone": "UTC",
                        "idle_in_transaction_session_timeout": "5000",
                        "application_name": "keyshop cache",
                    },
                )
        return self._connection

    def drop(self) -> None:
        """Close at once; what was under way may or may not have happened."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()
