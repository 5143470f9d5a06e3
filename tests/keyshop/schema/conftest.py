from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.keyshop.schema.prisma_database import make_prisma_database
from tests.servers import Postgres, connected, copied_database


@pytest_asyncio.fixture(scope="session")
async def prisma_role(postgres_server: Postgres) -> AsyncIterator[str]:
    """A role that owns Prisma's tables and has no other privileges."""
    name = f"prisma_{uuid4().hex}"
    async with connected(postgres_server.url_of("postgres")) as admin:
        await admin.execute(f'CREATE ROLE "{name}"')
        yield name
        await admin.execute(f'DROP ROLE "{name}"')


@pytest_asyncio.fixture(scope="session")
async def prisma_template(postgres_server: Postgres, prisma_role: str) -> AsyncIterator[str]:
    """The name of a database that Prisma made, with a shop's data; tests copy it."""
    async with copied_database(postgres_server, "template0") as url:
        async with connected(url) as connection:
            await connection.execute(f'GRANT ALL ON SCHEMA public TO "{prisma_role}"')
            await make_prisma_database(connection, owner=prisma_role)
            name: str = await connection.fetchval("SELECT current_database()")
        yield name


@pytest_asyncio.fixture(scope="session")
async def shared_prisma(
    postgres_server: Postgres, prisma_template: str
) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a copy that tests share; they roll back their changes."""
    async with (
        copied_database(postgres_server, prisma_template) as url,
        connected(url) as connection,
    ):
        yield connection


@pytest.fixture
async def prisma_url(postgres_server: Postgres, prisma_template: str) -> AsyncIterator[str]:
    """The URL of a copy for this test alone."""
    async with copied_database(postgres_server, prisma_template) as url:
        yield url


@pytest.fixture
async def prisma(prisma_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database at `prisma_url`."""
    async with connected(prisma_url) as connection:
        yield connection


@pytest.fixture
async def db_url(database_url: str) -> str:
    """The URL of a database that keyshop made."""
    return database_url
