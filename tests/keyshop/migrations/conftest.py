import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from keyshop.schema.migrate import upgrade


@asynccontextmanager
async def _own_database(postgres_url: str) -> AsyncIterator[str]:
    name = f"migrations_{uuid4().hex}"
    parts = urlsplit(postgres_url)
    maintenance = await asyncpg.connect(postgres_url)
    try:
        await maintenance.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        query = f"?{parts.query}" if parts.query else ""
        yield f"{parts.scheme}://{parts.netloc}/{name}{query}"
        await maintenance.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await maintenance.close()


@pytest.fixture
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    """The URL of an empty database."""
    async with _own_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
async def migrated_database(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database at the newest revision; tests roll back their changes."""
    async with _own_database(postgres_url) as url:
        await asyncio.to_thread(upgrade, url)
        yield url


@pytest.fixture
async def connection(migrated_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction in the migrated database, rolled back after the test."""
    opened = await asyncpg.connect(migrated_database, server_settings={"timezone": "UTC"})
    transaction = opened.transaction()
    await transaction.start()
    try:
        yield opened
    finally:
        await transaction.rollback()
        await opened.close()
