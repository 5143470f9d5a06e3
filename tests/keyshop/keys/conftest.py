"""The vault of a test's database."""

import pytest_asyncio

from keyshop.keys.settings import Vault
from keyshop.kit.database.pool import Database
from tests.factories.vault import make_vault


@pytest_asyncio.fixture
async def vault(db: Database) -> Vault:
    return await make_vault(db)


@pytest_asyncio.fixture
async def order_id(db: Database) -> str:
    """The id of an order of Alice."""
    async with db.transaction() as tx:
        await tx.execute(
            'INSERT INTO users (id, email, nickname, "passwordHash", "updatedAt")'
            " VALUES ('alice', 'alice@example.com', 'Alice', '!', now())"
        )
        await tx.execute(
            'INSERT INTO orders (id, "userId", status, subtotal, total)'
            " VALUES ('alices-order', 'alice', 'PROCESSING', 5, 5)"
        )
    return "alices-order"
