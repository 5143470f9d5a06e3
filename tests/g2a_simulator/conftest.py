"""A market with a clock that tests move, and a buyer that calls it over HTTP."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from g2a_simulator.market import Market
from tests.factories.simulator_buyer import FIRST, Buyer, Clock, buying_from


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def market(clock: Clock) -> Market:
    market = Market(products=100, seed=1, clock=clock)
    market.set_product(FIRST, minPrice=10, qty=5)
    return market


@pytest_asyncio.fixture
async def buyer(market: Market) -> AsyncIterator[Buyer]:
    async with buying_from(market) as buyer:
        yield buyer
