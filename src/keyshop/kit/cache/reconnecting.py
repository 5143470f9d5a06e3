"""A connection to PostgreSQL for the cache's own short statements."""

import asyncio
from types import TracebackType
from typing import Final, Self

from asyncpg import Connection, Record

from keyshop.kit.database.connect import connect, statement_timeout
from keyshop.kit.dsn import clean_dsn

_MIN_CONNECT_TIMEOUT: Final = 2.0  # seconds


class ReconnectingConnection:
    """One connection, opened at its first use and again after every failure."""

    def __init__(self, database_url: str, *, timeout: float) -> None:
        """Store the address; a statement may take `timeout` seconds."""
        self._dsn = clean_dsn(database_url)
        self._timeout = timeout
        self._connection: Connection[Record] | None = None

    async def get(self) -> "Connection[Record]":
        """
        Return the connection; open it if there is none.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL does not answer.
        """
        if self._connection is None or self._connection.is_closed():
            async with asyncio.timeout(max(self._timeout, _MIN_CONNECT_TIMEOUT)):
                self._connection = await connect(
                    self._dsn,
                    command_timeout=self._timeout,
                    settings={
                        "application_name": "keyshop cache",
                        **statement_timeout(self._timeout),
                    },
                )
        return self._connection

    def drop(self) -> None:
        """Close at once; the outcome of a statement in progress stays unknown."""
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
