"""
Opening and closing the cache; every step is safe with any number of leaders.

CLOSE makes readers and writers do without Redis. Opening it cold begins a new epoch, under which
nothing that was kept before can be read; opening it warm goes on with what is there.
"""

import asyncio
import random
import secrets
import time
from typing import Final

import structlog
from asyncpg import Connection, Record

from keyshop.kit.cache.connection import RedisConnection
from keyshop.kit.cache.control import Control, read_control
from keyshop.kit.cache.metrics import RECOVERIES, RECOVERY
from keyshop.kit.cache.names import token_name
from keyshop.kit.cache.scripts import TOKEN

_CLOSED_FOR: Final = 0.6  # seconds: longer than the oldest view that may still be trusted
_BUDGET: Final = 0.5  # seconds for Redis to confirm the token
_TIMEOUT: Final = 10.0  # seconds for writers between GUARD and COMMIT
_AGAIN: Final = 0.02
_APART: Final = 0.05  # seconds by which leaders that found it at once come apart

_CLOSE: Final = "SELECT seq FROM keyshop.cache_close($1)"
_OPEN_COLD: Final = "SELECT keyshop.cache_open($1, $2)"
_OPEN_WARM: Final = "SELECT keyshop.cache_open_warm($1)"

_log = structlog.get_logger(__name__)


async def close(db: "Connection[Record]", control: Control, *, reason: str) -> None:
    """CLOSE, unless the row has changed: within 500 ms nobody trusts what is kept."""
    await db.execute(_CLOSE, control.seq)
    _log.warning("cache.closed", reason=reason)


async def open_warm(db: "Connection[Record]", control: Control) -> bool:
    """Open a closed cache whose Redis is the same as before; False while a change is on its way."""
    opened: bool | None = await db.fetchval(_OPEN_WARM, control.seq)
    if opened:
        _told("warm", control.closed_seconds)
    return bool(opened)


async def open_cold(
    db: "Connection[Record]", control: Control, connection: RedisConnection
) -> bool:
    """
    Open the cache on the server behind this connection, in a new epoch.

    Returns False when another leader was quicker or something else has changed; look again then.

    Raises:
        RedisFault: the server did not confirm its token.
    """
    if control.is_open:
        await close(db, control, reason="Redis is another one, or was emptied.")
        control = await read_control(db)
    if not await _wait_closed(db, control):
        return False
    token = secrets.token_hex(16)  # never one that was sent before: it may have arrived late
    async with asyncio.timeout(_BUDGET):
        await connection.run_script(TOKEN, [token_name(control.shop)], [token])
    connection.take_token(token)
    return await _open(db, control, connection.incarnation)


async def _wait_closed(db: "Connection[Record]", control: Control) -> bool:
    """Wait until no view from before the CLOSE counts; False when somebody changed the row."""
    left = _CLOSED_FOR - control.closed_seconds
    await asyncio.sleep(max(0.0, left) + random.uniform(0, _APART))  # noqa: S311 - not a secret
    found = await read_control(db)
    return found.seq == control.seq and not found.is_open


async def _open(db: "Connection[Record]", control: Control, incarnation: str) -> bool:
    """Try until the lock is had: a request that waits would hold up every writer behind it."""
    until = time.monotonic() + _TIMEOUT
    while time.monotonic() < until:
        if await db.fetchval(_OPEN_COLD, control.seq, incarnation):
            _told("cold", (await read_control(db)).closed_seconds)
            return True
        if (await read_control(db)).seq != control.seq:
            return False
        await asyncio.sleep(_AGAIN)
    return False


def _told(kind: str, seconds: float) -> None:
    RECOVERIES.labels(kind).inc()
    RECOVERY.labels(kind).observe(seconds)
    _log.info("cache.opened", kind=kind, seconds_closed=round(seconds, 3))
