"""Removal of markers whose transactions have ended without PUBLISH."""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog

from keyshop.kit.cache.reconnecting import ReconnectingConnection
from keyshop.kit.cache.redis.connection import RedisConnection, Reply
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.key_names import markers_name
from keyshop.kit.cache.redis.scripts import CLEAN
from keyshop.kit.database.errors import CONNECTION_UNUSABLE

_TIMEOUT: Final = 1.0  # seconds

_HAS_ENDED: Final = """
    SELECT coalesce(pg_xact_status($1::text::xid8), 'forgotten') <> 'in progress'
"""

_log = structlog.get_logger(__name__)


class Markers:
    """
    Cleans up after writers that died between INTENT and PUBLISH.

    Age alone proves nothing, because a transaction may be slow. PostgreSQL knows which have ended.
    Whether they were committed does not matter: a load that begins now sees what they did.
    """

    def __init__(self, database_url: str) -> None:
        self._session = ReconnectingConnection(database_url, timeout=_TIMEOUT)
        self._tasks: set[asyncio.Task[None]] = set()

    def clean(
        self, connection: RedisConnection, key_or_group: str, markers: Sequence[Reply]
    ) -> None:
        """
        Remove ended markers in the background, unless another removal is in progress.

        `markers` is a part of ACQUIRE's reply: the id and the time of each transaction in turn.
        """
        name = markers_name(connection.shop, key_or_group)
        texts = [text for text in markers if isinstance(text, bytes)]
        pairs = list(zip(texts[::2], texts[1::2], strict=True))
        if not pairs or self._tasks:
            return
        task = asyncio.create_task(self._clean(connection, name, pairs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
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
            self._session.drop()  # the next read that finds the key busy tries again

    async def _has_ended(self, xid: bytes) -> bool:
        if not xid.isdigit():
            return True  # none of our writers wrote that
        connection = await self._session.get()
        try:
            return bool(await connection.fetchval(_HAS_ENDED, xid.decode()))
        except CONNECTION_UNUSABLE:
            raise
        except asyncpg.PostgresError:
            return True  # an id of the future, from another or a restored database; or no id at all
