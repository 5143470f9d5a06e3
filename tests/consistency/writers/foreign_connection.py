"""A connection to PostgreSQL without the shop's code, as psql has one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

# What another application sets for its own statements; formats and time zone stay the role's.
_SETTINGS: Final = {
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class ForeignConnection:
    """One connection, opened at its first use and again after every failure."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    @asynccontextmanager
    async def used(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Yield the connection; an error in the block closes it, and any transaction ends."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url, ssl=False, timeout=5, command_timeout=10, server_settings=_SETTINGS
            )
        try:
            yield self._connection
        except BaseException:
            # After a cut in the middle of a statement the driver still says that it is open.
            self._connection.terminate()
            raise

    def close(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.terminate()
