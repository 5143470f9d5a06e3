import pytest

from g2a_simulator.market import Market
from g2a_simulator.server import serve
from tests.factories.budget_processes import call_from_processes


@pytest.mark.slow
class TestMinute:
    async def test_never_sees_more_than_600_calls_of_four_processes(self, database_url) -> None:
        market = Market(products=100, seed=1)

        async with serve(market) as supplier_url:
            results = await call_from_processes(
                4,
                database_url=database_url,
                supplier_url=supplier_url,
                seconds=70,
                tasks=8,
                budget={"limit": 600, "window_seconds": 60},
            )

        assert [set(outcomes) for outcomes in results] == [{"ok"}] * 4
        assert market.ledger.count(status=429) == 0
        assert 540 < market.ledger.most_in_60s <= 600
        print(f"most in 60 s: {market.ledger.most_in_60s}, results: {results}")  # noqa: T201
