"""One database for all tests of accounts, emptied before each, and hashes at the lowest cost."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.passwords import PasswordPool
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.customers import make_account_services
from tests.servers import Postgres, copied_database

_FILLED = (
    "users",
    "games",
    "sessions",
    "keyshop.rate_limits",
    "keyshop.sign_in_failures",
    "keyshop.pgqueuer",
    "keyshop.pgqueuer_log",
)


@pytest_asyncio.fixture(scope="session")
async def shared_url(postgres_server: Postgres, template_database: str) -> AsyncIterator[str]:
    """The URL of the database of `db`."""
    async with copied_database(postgres_server, template_database) as url:
        yield url


@pytest_asyncio.fixture(scope="session")
async def shared_db(shared_url: str) -> AsyncIterator[Database]:
    database = Database(shared_url, guard=RedisCommitGuard(None))
    await database.open()
    yield database
    await database.close()


@pytest_asyncio.fixture
async def db(shared_db: Database) -> Database:
    """An empty database; a new one for each test would take more than a second."""
    async with shared_db.transaction() as tx:
        for table in _FILLED:
            await tx.execute(f"DELETE FROM {table}")
    return shared_db


@pytest.fixture
def no_db() -> Database:
    """A closed database, which fails on every use."""
    return Database("postgresql://nobody@localhost/nothing", guard=RedisCommitGuard(None))


@pytest.fixture(scope="session")
def cheap_passwords() -> Iterator[PasswordPool]:
    pool = PasswordPool(cost=4, queue=1000)
    yield pool
    pool.close()


@pytest.fixture
def parts(cheap_passwords: PasswordPool) -> AccountServices:
    return make_account_services(cheap_passwords)
