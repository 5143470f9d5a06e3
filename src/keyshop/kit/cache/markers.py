"""Takes away the markers of transactions that ended without saying so."""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog

from keyshop.kit.cache.connection import RedisConnection, RedisFault, Reply
from keyshop.kit.cache.names import markers_name
from keyshop.kit.cache.session import AWAY, Session

_PATIENCE: Final = 1.0  # seconds

_HAS_ENDED: Final = """
    SELECT coalesce(pg_xact_status($1::text::xid8), 'forgotten') <> 'in progress'
"""

_log = structlog.get_logger(__name__)


class Markers:
    """
    Cleans up behind writers that died between INTENT and PUBLISH.

    Age alone says nothing: a transaction may be slow. PostgreSQL knows which have ended, and whether
    they were committed does not matter here, since a load that begins now sees what they did.
    """

    def __init__(self, database_url: str) -> None:
        self._session = Session(database_url, patience=_PATIENCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def clean(self, connection: RedisConnection, of: str, xids: Sequence[Reply]) -> None:
        """Look after these markers of a key or group in the background, unless some are already."""
        name = markers_name(connection.shop, of)
        found = [xid.decode() for xid in xids if isinstance(xid, bytes)]
        if not found or self._tasks:
            return
        task = asyncio.create_task(self._clean(connection, name, found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._session.drop()

    async def _clean(self, connection: RedisConnection, name: str, xids: list[str]) -> None:
        try:
            ended = [xid for xid in xids if await self._has_ended(xid)]
            if ended:
                async with asyncio.timeout(_PATIENCE):
                    await connection.call("HDEL", name, *ended)
                _log.info("cache.markers_removed", markers=len(ended), name=name)
        except (RedisFault, *AWAY):
            self._session.drop()  # whoever finds the key busy next tries again

    async def _has_ended(self, xid: str) -> bool:
        connection = await self._session.use()
        try:
            return bool(await connection.fetchval(_HAS_ENDED, xid))
        except AWAY:
            raise
        except asyncpg.PostgresError:
            return True  # of the future, or no id at all: another database's, or one restored
