"""Assembles the cache of one process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from msgspec import Struct

from keyshop.kit.cache.background import in_background
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.markers import Markers
from keyshop.kit.cache.operations import CacheOperations
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.cache.reader import GuardedCache
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.supervisor import RedisSupervisor
from keyshop.kit.cache.relay import Relay
from keyshop.kit.cache.trust_view import TrustView
from keyshop.kit.database.pool import Database

FindFault: TypeAlias = Callable[[], Awaitable[str | None]]
"""Returns a sentence on why Redis is not used, without hosts and secrets; None: it is used."""


class OpenCache(Struct, frozen=True):
    """How a process reads through the cache, and how it commits."""

    cache: Cache
    guard: RedisCommitGuard
    find_fault: FindFault | None = None


@asynccontextmanager
async def open_cache(database_url: str, redis_url: str | None) -> AsyncIterator[OpenCache]:
    """
    Open the cache for the length of the block.

    Without a Redis address every read goes to PostgreSQL, and writers still invalidate for other
    processes. Redis need not be reachable, now or later.

    Raises:
        Invalid: an address cannot be parsed.
    """
    if redis_url is None:
        yield OpenCache(PassThrough(), RedisCommitGuard(None))
        return
    address = parse_address(redis_url)
    view = TrustView(database_url)
    # Readers have a connection of their own: a large invalidation would delay them.
    reads, writes = RedisSupervisor(address, role="reads"), RedisSupervisor(address, role="writes")
    view.subscribe(reads.follow)
    view.subscribe(writes.follow)
    markers = Markers(database_url)
    operations = CacheOperations(view, reads, markers)
    cache = GuardedCache(operations)
    async with AsyncExitStack() as stack:
        for work in (view.run, reads.run, reads.measure_round_trips, writes.run):
            await stack.enter_async_context(in_background(work))
        stack.push_async_callback(markers.close)
        stack.push_async_callback(cache.close)
        yield OpenCache(cache, RedisCommitGuard(writes), operations.find_fault)


@asynccontextmanager
async def run_outbox_cleanup(guard: RedisCommitGuard, db: Database) -> AsyncIterator[None]:
    """Delete published rows from the outbox for the length of the block, and at its end."""
    async with in_background(lambda: guard.run_cleanup(db)):
        yield
    await guard.delete_published(db)


@asynccontextmanager
async def run_relay(database_url: str, redis_url: str | None) -> AsyncIterator[None]:
    """Run a relay for the length of the block."""
    redis = None if redis_url is None else RedisSupervisor(parse_address(redis_url), role="relay")
    relay = Relay(database_url, redis)
    async with AsyncExitStack() as stack:
        if redis is not None:
            await stack.enter_async_context(in_background(redis.run))
        await stack.enter_async_context(in_background(relay.run))
        yield
