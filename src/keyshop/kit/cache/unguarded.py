"""
The wait of a writer that could not mark its keys in Redis.

It waits until a relay has delivered its rows. If none does, it closes the cache and waits until no
process trusts an older view of the control row.
"""

import asyncio
import time
from typing import Final

from asyncpg import Record

from keyshop.kit.cache.control import MAX_VIEW_AGE
from keyshop.kit.database.commit import ReaderSource
from keyshop.kit.database.errors import DatabaseUnavailable

_RELAY_TIMEOUT: Final = 0.4  # seconds until the writer closes the cache itself
_DATABASE_TIMEOUT: Final = 5.0  # seconds
_POLL_INTERVAL: Final = 0.02  # seconds

_IS_UNDELIVERED: Final = """
    SELECT EXISTS (SELECT FROM keyshop.cache_outbox WHERE xid = $1::text::xid8)
"""
_CLOSE: Final = "SELECT seq FROM keyshop.cache_close()"


def closing_seconds(control: Record) -> float | None:
    """Return the seconds until every view from before the CLOSE has expired; None: it is open."""
    if control["state"] == "OPEN":
        return None
    return max(0.0, MAX_VIEW_AGE - float(control["closed_seconds"]))


async def wait_until_invalidated(db: ReaderSource, xid: str, *, closing: float | None) -> str:
    """
    Return when no reader can be served an older value, and the metric's label for how.

    `closing` is what `closing_seconds` returned before the COMMIT.

    Raises:
        DatabaseUnavailable: PostgreSQL was unavailable for too long.
    """
    ends = time.monotonic() + _DATABASE_TIMEOUT
    while True:
        try:
            return await _try_wait(db, xid, closing)
        except DatabaseUnavailable:
            # Committed, but readers may trust an older value again as soon as PostgreSQL is back.
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(_POLL_INTERVAL)


async def _try_wait(db: ReaderSource, xid: str, closing: float | None) -> str:
    if closing is not None:
        await _wait_delivered(db, xid, timeout=closing)
        return "closed"
    if await _wait_delivered(db, xid, timeout=_RELAY_TIMEOUT):
        return "relayed"
    async with db.read() as reader:
        await reader.fetch(_CLOSE)
    await _wait_delivered(db, xid, timeout=MAX_VIEW_AGE)
    return "closing"


async def _wait_delivered(db: ReaderSource, xid: str, *, timeout: float) -> bool:
    """Wait until a relay has delivered the rows of the transaction; False after `timeout` seconds."""
    ends = time.monotonic() + timeout
    while (left := ends - time.monotonic()) > 0:
        await asyncio.sleep(min(_POLL_INTERVAL, left))
        async with db.read() as reader:
            if not await reader.fetchval(_IS_UNDELIVERED, xid):
                return True
    return False
