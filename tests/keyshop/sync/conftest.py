"""A supplier's client for every test of the sync."""

from collections.abc import AsyncIterator

import pytest_asyncio

from g2a_simulator.market import Market
from keyshop.gateways.g2a.client import G2AClient
from tests.keyshop.sync.syncing import connected


@pytest_asyncio.fixture
async def supplier(market: Market, simulator_url: str) -> AsyncIterator[G2AClient]:
    """The client of this test's own supplier, who counts calls and refuses none."""
    market.settings.requests_per_minute = None
    async with connected(simulator_url) as client:
        yield client
