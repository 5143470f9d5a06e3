"""Clearing the cache by hand."""

import asyncio
from typing import Final

from asyncpg import Connection, Record

from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.recovery import close
from keyshop.kit.database.errors import CONNECTION_UNUSABLE, DatabaseUnavailable

_STATEMENT_TIMEOUT: Final = 5.0  # seconds
_OPEN_TIMEOUT: Final = 5.0  # seconds for a relay to open the cache again
_POLL_INTERVAL: Final = 0.1  # seconds

_DEMAND_COLD: Final = "SELECT keyshop.cache_demand_cold()"


async def clear_cache(database_url: str) -> bool:
    """
    Make every value in Redis unreadable; safe at any time.

    Returns whether a relay has opened the cache again, empty. Without a relay it stays closed, and
    every read goes to PostgreSQL.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer; nothing was cleared.
    """
    try:
        async with ReconnectingConnection(database_url, timeout=_STATEMENT_TIMEOUT) as session:
            db = await session.get()
            # Repeated if a relay opens the cache between the two statements.
            while not await db.fetchval(_DEMAND_COLD):
                await close(db, await read_control(db), reason="An operator clears the cache.")
            return await _wait_reopened(db, await read_control(db))
    except CONNECTION_UNUSABLE as error:
        raise DatabaseUnavailable from error


async def _wait_reopened(db: "Connection[Record]", closed: Control) -> bool:
    for _ in range(int(_OPEN_TIMEOUT / _POLL_INTERVAL)):
        await asyncio.sleep(_POLL_INTERVAL)
        control = await read_control(db)
        if control.is_open and control.epoch != closed.epoch:
            return True
    return False
