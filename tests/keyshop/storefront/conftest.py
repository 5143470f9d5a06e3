"""The catalogue of thirty games, and answers as Python values."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
import pytest_asyncio

from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import body_of
from tests.factories.catalogue import stock_catalogue
from tests.servers import copied_database

NO_CACHE = PassThrough()


@pytest_asyncio.fixture(scope="session")
async def stocked(
    postgres_server: PostgresServer, template_database: str
) -> AsyncIterator[Database]:
    """The catalogue in a database of its own, for tests that change nothing."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        await stock_catalogue(database)
        yield database
        await database.close()


@pytest_asyncio.fixture(scope="session")
async def ids(stocked: Database) -> dict[str, str]:
    """Ids of the catalogue's games by title."""
    async with stocked.read() as reader:
        return {game["title"]: game["id"] for game in await reader.fetch("SELECT * FROM games")}


@pytest_asyncio.fixture
async def fresh_ids(db: Database) -> dict[str, str]:
    """The same catalogue in this test's own database; ids by title."""
    return await stock_catalogue(db)


async def data_of(answer: Awaitable[bytes]) -> Any:
    """Return the data of an answer."""
    envelope = msgspec.json.decode(body_of(await answer))
    assert envelope["success"] is True
    return envelope["data"]


async def titles_of(answer: Awaitable[bytes]) -> list[str]:
    """Return the titles of an answer's games."""
    return [game["title"] for game in await data_of(answer)]
