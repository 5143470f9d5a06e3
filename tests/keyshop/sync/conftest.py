"""A client of the supplier for every test of the sync."""

from collections.abc import AsyncIterator

import pytest_asyncio

from g2a_simulator.market import Market
from keyshop.gateways.g2a.client import G2AClient
from tests.factories.syncs import open_client


@pytest_asyncio.fixture
async def supplier(market: Market, simulator_url: str) -> AsyncIterator[G2AClient]:
    """The client of this test's supplier, which has no rate limit."""
    market.settings.requests_per_minute = None
    async with open_client(simulator_url) as client:
        yield client
