"""A running shop whose responses are cached in Redis, observed from outside."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from httpx2 import AsyncClient, Response
from litestar.types import ASGIApp
from redis.asyncio import Redis

from keyshop.kit.cache.open import open_cache, run_outbox_cleanup, run_relay
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.database.commit import CommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from tests.factories.api_app import make_app
from tests.factories.cached_shop import until
from tests.keyshop.entrypoints.api.conftest import client_of

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class CountingDatabase(Database):
    """A database that counts its reads."""

    reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        self.reads += 1
        async with super().read() as reader:
            yield reader


class ObservedApi:
    """A visitor of the shop, the shop's database and its Redis."""

    def __init__(
        self, app: ASGIApp, visitor: AsyncClient, db: CountingDatabase, redis: Redis
    ) -> None:
        self.app = app
        self.visitor = visitor
        self.db = db
        self.redis = redis

    async def get(self, path: str) -> Response:
        """Request a path below /api/games."""
        return await self.visitor.get(f"/api/games{path}")

    async def show(self, path: str) -> Any:
        """Return the data of a response, with exact prices."""
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return _DECODER.decode(response.content)["data"]

    async def reads_for(self, path: str) -> int:
        """Return how often a response reads the database."""
        before = self.db.reads
        await self.get(path)
        return self.db.reads - before

    async def warm(self, *paths: str) -> None:
        """Repeat the requests until each response comes from Redis."""
        for path in paths:
            await until(partial(self._is_cached, path))

    async def _is_cached(self, path: str) -> bool:
        return await self.reads_for(path) == 0

    async def until_gone(self, text: bytes, path: str) -> None:
        """Repeat the request until the response does not contain the text."""

        async def is_gone() -> bool:
            return text not in (await self.get(path)).content

        await until(is_gone)

    async def change(self, sql: str, *args: object) -> None:
        """Change a row as the shop itself does."""
        async with self.db.transaction() as tx:
            await tx.execute(sql, *args)

    async def keys(self) -> set[str]:
        """Return the keys of the cached values in Redis, without leases, markers and generations."""
        names = {name.decode() async for name in self.redis.scan_iter(count=1000)}
        return {name for name in names if not name.startswith(("cl:", "cw:", "gen:"))}


def games_in(shown: Any) -> Iterator[dict[str, Any]]:
    """Yield every game in the data, at any depth."""
    if isinstance(shown, list):
        for part in shown:
            yield from games_in(part)
    elif isinstance(shown, dict):
        if "price" in shown:
            yield shown
        for part in shown.values():
            yield from games_in(part)


@asynccontextmanager
async def open_observed_api(database_url: str, redis_url: str) -> AsyncIterator[ObservedApi]:
    """Run a shop with its relay; the block begins when the shop trusts its Redis."""
    async with AsyncExitStack() as parts:
        await parts.enter_async_context(run_relay(database_url, redis_url))
        opened = await parts.enter_async_context(open_cache(database_url, redis_url))
        db = await _database(parts, database_url, opened.guard)
        await parts.enter_async_context(run_outbox_cleanup(opened.guard, db))
        app = make_app(db, cache=opened.cache)
        visitor = await parts.enter_async_context(client_of(app))
        redis = await parts.enter_async_context(Redis.from_url(redis_url))
        api = ObservedApi(app, visitor, db, redis)
        # The absence of a game is cached like a game.
        await api.warm("/no-such-game")
        yield api


@asynccontextmanager
async def open_api_without_cache(database_url: str) -> AsyncIterator[AsyncClient]:
    """Run the same shop without a cache."""
    async with AsyncExitStack() as parts:
        opened = await parts.enter_async_context(open_cache(database_url, None))
        assert isinstance(opened.cache, PassThrough)
        db = await _database(parts, database_url, opened.guard)
        app = make_app(db, cache=opened.cache)
        yield await parts.enter_async_context(client_of(app))


async def _database(parts: AsyncExitStack, url: str, guard: CommitGuard) -> CountingDatabase:
    db = CountingDatabase(url, guard=guard)
    await db.open()
    parts.push_async_callback(db.close)
    return db
