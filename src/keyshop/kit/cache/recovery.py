"""
Opening and closing the cache; every step is safe with any number of leaders.

CLOSE makes readers and writers work without Redis. A cold opening begins a new epoch, in which no
older value can be read. A warm opening keeps the epoch and its values.
"""

import asyncio
import random
import secrets
import time
from typing import Final

import structlog
from asyncpg import Connection, Record

from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.metrics import RECOVERIES, RECOVERY
from keyshop.kit.cache.redis.connection import RedisConnection
from keyshop.kit.cache.redis.key_names import token_name
from keyshop.kit.cache.redis.scripts import TOKEN

_MIN_CLOSED: Final = 0.6  # seconds: longer than the oldest view that may still be trusted
_TOKEN_TIMEOUT: Final = 0.5  # seconds
_OPEN_TIMEOUT: Final = 10.0  # seconds for all writers between GUARD and COMMIT to end
_RETRY_DELAY: Final = 0.02  # seconds
_MAX_JITTER: Final = 0.05  # seconds between leaders that start together

_CLOSE: Final = "SELECT seq FROM keyshop.cache_close($1)"
_OPEN_COLD: Final = "SELECT keyshop.cache_open($1, $2)"
_OPEN_WARM: Final = "SELECT keyshop.cache_open_warm($1)"

_log = structlog.get_logger(__name__)


async def close(db: "Connection[Record]", control: Control, *, reason: str) -> None:
    """CLOSE, unless the control row has changed; after 500 ms no process trusts Redis."""
    await db.execute(_CLOSE, control.seq)
    _log.warning("cache.closed", reason=reason)


async def open_warm(db: "Connection[Record]", control: Control) -> bool:
    """Open a closed cache on the same Redis as before; False while a change is undelivered."""
    opened: bool | None = await db.fetchval(_OPEN_WARM, control.seq)
    if opened:
        _record_opening("warm", control.closed_seconds)
    return bool(opened)


async def open_cold(
    db: "Connection[Record]", control: Control, connection: RedisConnection
) -> bool:
    """
    Open the cache on the server of this connection, in a new epoch.

    Returns False if another leader was quicker or the control row has changed otherwise.

    Raises:
        RedisFault: the server did not confirm its token.
    """
    if control.is_open:
        await close(db, control, reason="Redis is another server, or was emptied.")
        control = await read_control(db)
    if not await _wait_closed(db, control):
        return False
    token = secrets.token_hex(16)  # always a new one: an earlier one may still arrive
    async with asyncio.timeout(_TOKEN_TIMEOUT):
        await connection.run_script(TOKEN, [token_name(control.shop)], [token])
    connection.set_token(token)
    return await _open(db, control, connection.incarnation)


async def _wait_closed(db: "Connection[Record]", control: Control) -> bool:
    """Wait until every view from before the CLOSE has expired; False if the row has changed."""
    left = _MIN_CLOSED - control.closed_seconds
    await asyncio.sleep(max(0.0, left) + random.uniform(0, _MAX_JITTER))  # noqa: S311 - not a secret
    found = await read_control(db)
    return found.seq == control.seq and not found.is_open


async def _open(db: "Connection[Record]", control: Control, incarnation: str) -> bool:
    """Retry until PostgreSQL grants the lock: a request that queued would block every writer."""
    ends = time.monotonic() + _OPEN_TIMEOUT
    while time.monotonic() < ends:
        if await db.fetchval(_OPEN_COLD, control.seq, incarnation):
            _record_opening("cold", (await read_control(db)).closed_seconds)
            return True
        if (await read_control(db)).seq != control.seq:
            return False
        await asyncio.sleep(_RETRY_DELAY)
    return False


def _record_opening(kind: str, seconds: float) -> None:
    RECOVERIES.labels(kind).inc()
    RECOVERY.labels(kind).observe(seconds)
    _log.info("cache.opened", kind=kind, seconds_closed=round(seconds, 3))
