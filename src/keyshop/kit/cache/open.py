"""Puts the parts of the cache together for one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import structlog
from msgspec import Struct

from keyshop.kit.cache.address import parse_address
from keyshop.kit.cache.guard import GuardedCommit
from keyshop.kit.cache.markers import Markers
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.cache.reader import GuardedCache
from keyshop.kit.cache.redis_supervisor import RedisSupervisor
from keyshop.kit.cache.relay import Relay
from keyshop.kit.cache.trust_view import TrustView
from keyshop.kit.database.pool import Database

_AGAIN: Final = 1.0  # seconds

_log = structlog.get_logger(__name__)


class OpenCache(Struct, frozen=True):
    """How a process reads through the cache, and how it commits."""

    cache: Cache
    guard: GuardedCommit


@asynccontextmanager
async def open_cache(database_url: str, redis_url: str | None) -> AsyncIterator[OpenCache]:
    """
    Lend the cache; without an address of Redis, one that keeps nothing and commits all the same.

    Redis need not be there, now or ever.

    Raises:
        Invalid: an address is none.
    """
    if redis_url is None:
        yield OpenCache(PassThrough(), GuardedCommit(None))
        return
    address = parse_address(redis_url)
    view = TrustView(database_url)
    # Readers have a connection of their own, which a large invalidation does not hold up.
    reads, writes = RedisSupervisor(address, role="reads"), RedisSupervisor(address, role="writes")
    view.listen(reads.follow)
    view.listen(writes.follow)
    markers = Markers(database_url)
    cache = GuardedCache(view, reads, markers)
    async with AsyncExitStack() as parts:
        for part in (view, reads, writes):
            await parts.enter_async_context(in_background(part.keep))
        parts.push_async_callback(markers.close)
        parts.push_async_callback(cache.close)
        yield OpenCache(cache, GuardedCommit(writes))


@asynccontextmanager
async def keep_tidy(guard: GuardedCommit, db: Database) -> AsyncIterator[None]:
    """Delete what was published from the outbox for the length of the block, and at its end."""
    async with in_background(lambda: guard.keep(db)):
        yield
    await guard.delete_published(db)


@asynccontextmanager
async def run_relay(database_url: str, redis_url: str | None) -> AsyncIterator[None]:
    """Run a relay for the length of the block."""
    link = None if redis_url is None else RedisSupervisor(parse_address(redis_url), role="relay")
    relay = Relay(database_url, link)
    async with AsyncExitStack() as parts:
        if link is not None:
            await parts.enter_async_context(in_background(link.keep))
        await parts.enter_async_context(in_background(relay.keep))
        yield


@asynccontextmanager
async def in_background(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the work beside the block, and stop it at the block's end."""
    task = asyncio.create_task(_go_on(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _go_on(work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, and begin anew when it fails as nobody foresaw: a shop must not stay without it."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - told in the log, whatever it is
            _log.exception("cache.background_failed")
        await asyncio.sleep(_AGAIN)
