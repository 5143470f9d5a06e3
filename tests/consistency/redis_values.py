"""Searches the values in Redis for texts of game keys, which must never be there."""

import asyncio
from contextlib import suppress
from typing import Final

from redis.asyncio import Redis, from_url
from redis.exceptions import RedisError

from tests.consistency.orders import KEY_MARK

_INTERVAL: Final = 1.0  # seconds
_BATCH: Final = 200  # values
_TIMEOUT: Final = 2.0  # seconds


class KeyTextSearch:
    """Searches all values again and again, because most are there for a short time."""

    def __init__(self) -> None:
        self.values = 0
        """How many were searched, each as often as it was found."""

        self.orders = 0
        """How many of these were of orders."""

        self.found: set[str] = set()
        """The names of those with a text of a game key."""

    async def keep_searching(self, redis_url: str) -> None:
        """Search until cancelled; while Redis does not answer, nothing is found."""
        client = from_url(redis_url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
        async with client:
            while True:
                with suppress(RedisError, OSError, TimeoutError):
                    await self.search(client)
                await asyncio.sleep(_INTERVAL)

    async def search(self, client: "Redis") -> None:
        """Search every value once."""
        names = [name async for name in client.scan_iter(count=_BATCH)]
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            for name, value in zip(batch, await client.mget(batch), strict=True):
                self._take(name, value if isinstance(value, bytes) else b"")

    def _take(self, name: bytes, value: bytes) -> None:
        self.values += 1
        self.orders += name.startswith(b"order:") or name.endswith(b":orders")
        if KEY_MARK.encode() in name + value:
            self.found.add(name.decode())
