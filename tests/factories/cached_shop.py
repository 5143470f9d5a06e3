"""The smallest process of the shop that reads and writes through the cache."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from keyshop.cache_keys import GAME
from keyshop.kit.cache.families import CacheKey, Family
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.open import FindFault, open_cache, run_outbox_cleanup, run_relay
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.clock import utc_now
from keyshop.kit.database.commit import CommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.games import make_game

_PRICE = "SELECT price::text FROM games WHERE id = $1"
_TITLES = "SELECT string_agg(title, ',' ORDER BY title) FROM games"


async def _find_no_fault() -> None:
    """Return nothing: there is no Redis that could have a fault."""


class CachedShop:
    """One process: its database, its cache, and the number of its loads from PostgreSQL."""

    def __init__(self, db: Database, cache: Cache, guard: CommitGuard) -> None:
        self.db = db
        self.cache = cache
        self.guard = guard
        self.find_fault: FindFault = _find_no_fault
        self.loads = 0
        self.valid_until: datetime | None = None

    async def add(self, **overrides: Any) -> str:
        """Add a game and return its id."""
        return await make_game(self.db, **overrides)

    async def set_price(self, game: str, price: str) -> float:
        """Change the price, and return the seconds until it was acknowledged."""
        began = time.monotonic()
        async with self.db.transaction() as tx:
            await tx.execute("UPDATE games SET price = $2 WHERE id = $1", game, Decimal(price))
        return time.monotonic() - began

    async def price(
        self,
        game: str,
        *,
        before: Awaitable[Any] | None = None,
        after: Awaitable[Any] | None = None,
    ) -> str | None:
        """Read the price; `before` and `after` are awaited around the load from PostgreSQL."""

        async def load() -> Loaded:
            if before is not None:
                await before
            loaded = await self.load(game)
            if after is not None:
                await after
            return loaded

        return await self.read(game_key(game), load)

    async def read(self, key: CacheKey | None, load: Callable[[], Awaitable[Loaded]]) -> str | None:
        """Read any key, as text."""
        payload = await self.cache.read(key, load, now=utc_now())
        return None if payload is None else payload.decode()

    async def list_titles(self, family: Family) -> str | None:
        """Read the titles of all games, under a family that has one key."""
        key = family.find_key()
        return await self.read(key, self._load_titles)

    async def load(self, game: str) -> Loaded:
        """Load the price from PostgreSQL."""
        self.loads += 1
        async with self.db.read() as reader:
            found: str | None = await reader.fetchval(_PRICE, game)
        return Loaded(None if found is None else found.encode(), self.valid_until)

    async def _load_titles(self) -> Loaded:
        self.loads += 1
        async with self.db.read() as reader:
            return Loaded((await reader.fetchval(_TITLES) or "").encode())

    async def keeps(self, game: str) -> bool:
        """Read the price, and return whether it came from Redis."""
        loads = self.loads
        await self.price(game)
        return self.loads == loads

    async def until_kept(self, game: str, *, seconds: float = 10) -> float:
        """Read until an answer comes from Redis, and return the seconds that it took."""
        began = time.monotonic()
        await until(lambda: self.keeps(game), seconds=seconds)
        return time.monotonic() - began


def game_key(game: str) -> CacheKey:
    key = GAME.find_key(id=game)
    assert key is not None
    return key


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 10) -> None:
    """Wait for the condition; fail if it is not true in time."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def cached_shop_at(
    database_url: str, redis_url: str | None, *, guard: CommitGuard | None = None
) -> AsyncIterator[CachedShop]:
    """Run a process of the shop for the length of a block; `guard` replaces its own."""
    async with AsyncExitStack() as parts:
        opened = await parts.enter_async_context(open_cache(database_url, redis_url))
        db = Database(database_url, guard=guard or opened.guard)
        await db.open()
        parts.push_async_callback(db.close)
        await parts.enter_async_context(run_outbox_cleanup(opened.guard, db))
        cached_shop = CachedShop(db, opened.cache, guard or opened.guard)
        cached_shop.find_fault = opened.find_fault or _find_no_fault
        yield cached_shop


@asynccontextmanager
async def cached_shop_without_redis(database_url: str) -> AsyncIterator[CachedShop]:
    """Run a process of the shop whose cache is switched off."""
    async with cached_shop_at(database_url, None) as cached_shop:
        assert isinstance(cached_shop.guard, RedisCommitGuard)
        yield cached_shop


@asynccontextmanager
async def open_cached_shop(
    database_url: str, redis_url: str
) -> AsyncIterator[tuple[CachedShop, str]]:
    """Run a process and a relay, with one game that Redis keeps at 10.00; yields both."""
    async with (
        run_relay(database_url, redis_url),
        cached_shop_at(database_url, redis_url) as cached_shop,
    ):
        game = await cached_shop.add(price=Decimal("10.00"))
        await cached_shop.until_kept(game)
        cached_shop.loads = 0
        yield cached_shop, game
