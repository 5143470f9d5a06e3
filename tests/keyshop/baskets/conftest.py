"""Customers and guests with the games of a small shop."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keyshop.baskets.models import Visitor
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.baskets import make_guest, make_user, make_visitor
from tests.factories.games import make_game
from tests.servers import Postgres, copied_database


@pytest_asyncio.fixture(scope="session")
async def shared_url(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The URL of a database that the tests of baskets share."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def shared_db(shared_url: str) -> AsyncIterator[Database]:
    """The shared database, with twenty connections."""
    database = Database(shared_url, guard=RedisCommitGuard(None), max_size=20)
    await database.open()
    yield database
    await database.close()


@pytest_asyncio.fixture
async def db(shared_db: Database) -> Database:
    """The shared database, emptied; a copy would take far longer."""
    async with shared_db.transaction() as tx:
        for table in ("users", "sessions", "games", "platforms", "keyshop.cache_outbox"):
            await tx.execute(f"DELETE FROM {table}")
    return shared_db


@pytest.fixture(params=["user", "guest"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of visitor, for tests that apply to both."""
    return str(request.param)


@pytest_asyncio.fixture
async def visitor(db: Database, kind: str) -> Visitor:
    """A customer, or a guest with a session."""
    return await make_visitor(db, kind)


@pytest_asyncio.fixture
async def alice(db: Database) -> Visitor:
    """A customer with nothing in her cart."""
    return await make_user(db)


@pytest_asyncio.fixture
async def guest(db: Database) -> Visitor:
    """A guest with a session and nothing in it."""
    return await make_guest(db)


@pytest_asyncio.fixture
async def games(db: Database) -> list[str]:
    """Six games."""
    return [await make_game(db, title=f"Game {number}") for number in range(6)]
