"""Waiting until this process reads and writes through Redis; measurements begin after that."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import REGISTRY

from keyshop.kit.cache.protocol import Cache
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.storefront.list_games import list_best_sellers

_TIMEOUT: Final = 10.0  # seconds
_RETRY_DELAY: Final = 0.02  # seconds
_CHANGE: Final = "UPDATE games SET price = price + 1 WHERE id = (SELECT min(id) FROM games)"


def guarded_commits() -> tuple[float, float]:
    """Return the number of guarded commits of this process, and their time in seconds."""
    name, labels = "keyshop_cache_invalidation_seconds", {"path": "guarded"}
    return _sample(f"{name}_count", labels), _sample(f"{name}_sum", labels)


async def wait_for_reads(db: Database, cache: Cache) -> None:
    """Read until there is a hit."""
    labels = {"family": "home_best_sellers", "outcome": "hit"}

    async def read() -> float:
        await list_best_sellers(db, cache, genre=None, now=utc_now())
        return _sample("keyshop_cache_reads_total", labels)

    await _repeat_until_counted(read, _sample("keyshop_cache_reads_total", labels))


async def wait_for_commits(db: Database) -> None:
    """Write until a commit is guarded."""

    async def write() -> float:
        async with db.transaction() as tx:
            await tx.execute(_CHANGE)
        return guarded_commits()[0]

    await _repeat_until_counted(write, guarded_commits()[0])


async def _repeat_until_counted(work: Callable[[], Awaitable[float]], before: float) -> None:
    until = time.monotonic() + _TIMEOUT
    while await work() == before:
        if time.monotonic() > until:
            raise TimeoutError("Redis is not trusted; the logs say why.")
        await asyncio.sleep(_RETRY_DELAY)


def _sample(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
