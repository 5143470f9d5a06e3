"""Takes away the markers of transactions that ended without saying so."""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog

from keyshop.kit.cache.connection import RedisConnection, RedisFault, Reply
from keyshop.kit.cache.names import markers_name
from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.scripts import CLEAN
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_TIMEOUT: Final = 1.0  # seconds

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
        self._session = ReconnectingConnection(database_url, timeout=_TIMEOUT)
        self._tasks: set[asyncio.Task[None]] = set()

    def clean(self, connection: RedisConnection, of: str, markers: Sequence[Reply]) -> None:
        """
        Look after these markers of a key or group in the background, unless some are already.

        They come as ACQUIRE answers them: of each the transaction's id and the time, in turn.
        """
        name = markers_name(connection.shop, of)
        texts = [text for text in markers if isinstance(text, bytes)]
        found = list(zip(texts[::2], texts[1::2], strict=True))
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

    async def _clean(
        self, connection: RedisConnection, name: str, markers: list[tuple[bytes, bytes]]
    ) -> None:
        try:
            ended = [marker for marker in markers if await self._has_ended(marker[0])]
            if ended:
                async with asyncio.timeout(_TIMEOUT):
                    await connection.run_script(CLEAN, [name], [text for m in ended for text in m])
                _log.info("cache.markers_removed", markers=len(ended), name=name)
        except (RedisFault, *CONNECTION_UNUSABLE, asyncpg.PostgresError):
            self._session.drop()  # whoever finds the key busy next tries again

    async def _has_ended(self, xid: bytes) -> bool:
        if not xid.isdigit():
            return True  # whoever wrote that is none of our writers
        connection = await self._session.use()
        try:
            return bool(await connection.fetchval(_HAS_ENDED, xid.decode()))
        except CONNECTION_UNUSABLE:
            raise
        except asyncpg.PostgresError:
            return True  # of the future, or no id at all: another database's, or one restored
