"""Orders of customers with money, of games with own keys."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from keyshop.keys.settings import Vault
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.high_water_mark import HighWaterMark
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.models import BuyingPolicy
from tests.factories.vault import make_vault
from tests.factories.wallet import make_customer
from tests.servers import Postgres, copied_database


@pytest_asyncio.fixture(scope="package")
async def db(postgres_server: Postgres, template_database: str) -> AsyncIterator[Database]:
    """One database for all tests of orders, whose rows of orders cannot all be deleted again."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        yield database
        await database.close()


@pytest_asyncio.fixture
async def vault(db: Database) -> Vault:
    """The vault of this test's database."""
    return await make_vault(db)


@pytest.fixture
def parts(vault: Vault, tmp_path: Path) -> OrderParts:
    """What orders need, where the shop sells the supplier's keys as well."""
    return OrderParts(
        vault=vault,
        mark=HighWaterMark.open(tmp_path / "marks", machine="here", identity="this"),
        policy=BuyingPolicy(buying_open=True),
    )


@pytest_asyncio.fixture
async def alice(db: Database) -> str:
    """The id of a customer with 100.00 EUR."""
    return await make_customer(db, "100.00")
