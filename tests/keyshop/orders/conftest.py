"""The desk at which the tests of this folder order."""

from pathlib import Path

import pytest_asyncio

from keyshop.kit.database.pool import Database
from tests.factories.changed_orders import OrderDesk, open_desk


@pytest_asyncio.fixture
async def desk(db: Database, tmp_path: Path) -> OrderDesk:
    return await open_desk(db, tmp_path / "marks")
