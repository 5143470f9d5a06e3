"""Changes of orders; each test has its own database, of which it looks at all rows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.changed_orders import OrderDesk, open_desk


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, guard=RedisCommitGuard(None), max_size=20)
    await database.open()
    yield database
    await database.close()


@pytest_asyncio.fixture
async def desk(db: Database, tmp_path: Path) -> OrderDesk:
    """A shop that would buy keys from its supplier."""
    return await open_desk(db, tmp_path / "marks")
