"""Redis and Valkey servers, and a shop that caches prices in them."""

from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from tests.factories.cached_shop import CachedShop, open_cached_shop
from tests.keyshop.kit.cache.redis_process import RedisProcess, serving
from tests.servers import Postgres, copied_database

_numbers = count(1)


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisProcess]:
    """A Valkey that tests share, each with its own database number; none may stop it."""
    with serving("valkey") as server:
        yield server


@pytest.fixture(scope="module")
def redis_number() -> int:
    """The number of a database that no other file's tests use."""
    return next(_numbers)


@pytest.fixture(scope="module")
def redis_url(shared_redis: RedisProcess, redis_number: int) -> str:
    """The URL of these tests' own Redis database."""
    return shared_redis.url_of(redis_number)


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the two servers."""
    return str(request.param)


@pytest.fixture
def own_redis(kind: str) -> Iterator[RedisProcess]:
    """A server of each kind for this test alone, which it may stop or corrupt."""
    with serving(kind) as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[RedisProcess]:
    """A Valkey for this test alone, where a Redis would behave the same."""
    with serving("valkey") as server:
        yield server


@pytest_asyncio.fixture(scope="module")
async def module_database_url(
    postgres_server: Postgres, template_database: str
) -> AsyncIterator[str]:
    """The URL of a database that the tests of one file share."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="module")
async def open_shop(module_database_url: str, redis_url: str) -> AsyncIterator[CachedShop]:
    """A process of the shop and its relay, which the tests of one file share."""
    async with open_cached_shop(module_database_url, redis_url) as (cached_shop, _):
        yield cached_shop


@pytest_asyncio.fixture
async def cached_shop(open_shop: CachedShop) -> CachedShop:
    """A process of a shop with a trusted cache."""
    open_shop.valid_until = None
    return open_shop


@pytest_asyncio.fixture
async def game(cached_shop: CachedShop) -> str:
    """A game whose price of 10.00 Redis keeps."""
    game = await cached_shop.add(price=Decimal("10.00"), title=f"A Game {next(_numbers)}")
    await cached_shop.until_kept(game)
    cached_shop.loads = 0
    return game


@pytest.fixture
def execute(shared_redis: RedisProcess, redis_number: int) -> Callable[..., Any]:
    """Executes a command in these tests' own Redis database."""
    return partial(shared_redis.execute, database=redis_number)


@pytest_asyncio.fixture
async def shop(cached_shop: CachedShop) -> str:
    """The part of this shop in its Redis keys."""
    async with cached_shop.db.read() as reader:
        return str(await reader.fetchval("SELECT keyshop.cache_shop()"))
