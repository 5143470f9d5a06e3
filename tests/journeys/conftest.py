"""What journeys need besides."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from g2a_simulator.market import Market
from tests.journeys.terminal import Terminal
from tests.keyshop.sync.syncing import HeldClient, connected


@pytest.fixture
def terminal(tmp_path: Path, database_url: str, simulator_url: str) -> Terminal:
    """A terminal in front of this test's own shop."""
    return Terminal(tmp_path, database_url=database_url, supplier_url=simulator_url)


@pytest_asyncio.fixture
async def supplier(market: Market, simulator_url: str) -> AsyncIterator[HeldClient]:
    """The client of this test's own supplier, who refuses no call for being one too many."""
    market.settings.requests_per_minute = None
    async with connected(simulator_url) as client:
        yield client
