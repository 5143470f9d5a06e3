"""Fixtures of the journeys."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from g2a_simulator.market import Market
from tests.factories.syncs import PausingClient, open_client
from tests.journeys.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path, database_url: str, simulator_url: str) -> Terminal:
    """A terminal for this test's own shop."""
    return Terminal(tmp_path, database_url=database_url, supplier_url=simulator_url)


@pytest_asyncio.fixture
async def supplier(market: Market, simulator_url: str) -> AsyncIterator[PausingClient]:
    """The client of this test's supplier, which has no rate limit."""
    market.settings.requests_per_minute = None
    async with open_client(simulator_url) as client:
        yield client
