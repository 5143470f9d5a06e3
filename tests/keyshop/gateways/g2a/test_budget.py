import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from g2a_simulator.ledger import LedgerEntry
from g2a_simulator.market import Market
from g2a_simulator.server import serve
from keyshop.gateways.g2a.budget import Budget, BudgetExhausted
from keyshop.gateways.g2a.connect import connect_g2a, open_budget
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.supplier.errors import SupplierUnavailable
from tests.factories.budget_processes import call_from_processes, wait_until
from tests.factories.canned_supplier import BRISK, SANDBOX

pytestmark = pytest.mark.timed


def quick_budget(db: Database) -> Budget:
    """A burst of twenty calls, then one every 50 ms."""
    return Budget(db, limit=400, window_seconds=19, jitter_seconds=0)


@pytest_asyncio.fixture
async def budget(db: Database) -> Budget:
    return quick_budget(db)


@pytest_asyncio.fixture
async def unlimited_market() -> AsyncIterator[tuple[Market, str]]:
    """A supplier that counts calls and has no rate limit."""
    market = Market(products=100, seed=1)
    market.settings.requests_per_minute = None
    async with serve(market) as url:
        yield market, url


async def take(budget: Budget, calls: int) -> float:
    started = time.monotonic()
    for _ in range(calls):
        await budget.acquire()
    return time.monotonic() - started


def most_in(calls: list[LedgerEntry], seconds: float) -> int:
    window = timedelta(seconds=seconds)
    return max(sum(1 for c in calls if start.at <= c.at < start.at + window) for start in calls)


def page_of(call: LedgerEntry) -> str:
    return parse_qs(urlsplit(call.target).query)["page"][0]


async def is_taken_ahead(budget: Budget) -> bool:
    return (await budget.read_status()).wait_seconds > 0.01


async def has_heard_all(market: Market) -> bool:
    return {page_of(call) for call in market.ledger.calls} == {"1", "2", "3", "4"}


class TestBudget:
    async def test_lets_a_burst_pass_and_then_keeps_the_pace(self, budget) -> None:
        burst = await take(budget, 20)
        assert burst < 1

        paced = await take(budget, 10)

        # A slow burst leaves less to wait for.
        assert 0.45 < burst + paced < 2

    async def test_is_one_for_all_who_share_the_database(self, db, database_url) -> None:
        other_db = Database(database_url, max_size=1, guard=RedisCommitGuard(None))
        await other_db.open()
        here, there = quick_budget(db), quick_budget(other_db)

        started = time.monotonic()
        await asyncio.gather(take(here, 20), take(there, 20))

        assert time.monotonic() - started > 0.9
        await other_db.close()

    async def test_refuses_a_call_that_would_wait_too_long(self, db) -> None:
        budget = Budget(db, limit=20, max_wait_seconds=0.5)
        await budget.acquire()

        started = time.monotonic()
        with pytest.raises(BudgetExhausted, match="20 calls in 60 s"):
            await budget.acquire()

        assert time.monotonic() - started < 0.5

    async def test_reserves_nothing_when_it_refuses(self, db) -> None:
        budget = Budget(db, limit=20, max_wait_seconds=0.5)
        await budget.acquire()
        before = await budget.read_status()

        for _ in range(3):
            with pytest.raises(BudgetExhausted):
                await budget.acquire()

        assert (await budget.read_status()).wait_seconds <= before.wait_seconds

    async def test_makes_waiting_calls_wait_for_a_pause(self, db, budget) -> None:
        await take(budget, 20)
        waiting = asyncio.create_task(take(budget, 15))
        await wait_until(partial(is_taken_ahead, budget))

        started = time.monotonic()
        await budget.pause(0.7)
        await waiting

        assert 0.65 < time.monotonic() - started < 3

    async def test_allows_no_burst_after_a_pause(self, budget) -> None:
        await budget.pause(0.3)

        assert await take(budget, 11) > 0.3 + 0.4

    @pytest.mark.parametrize(
        ("asked", "granted"), [(None, 10), (120, 120), (86_400, 300), (-5, 0), (0, 0)]
    )
    async def test_pauses_for_a_bounded_time(self, budget, asked, granted) -> None:
        await budget.pause(asked)

        view = await budget.read_status()
        assert granted - 1 <= view.wait_seconds <= granted
        assert view.pauses == 1

    async def test_never_shortens_a_pause(self, budget) -> None:
        await budget.pause(100)
        await budget.pause(1)

        assert (await budget.read_status()).wait_seconds > 98

    async def test_recovers_from_a_clock_that_was_set_back(self, db, budget) -> None:
        await budget.acquire()
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE keyshop.supplier_budget SET arrives_at = arrives_at + interval '1 hour'"
            )

        assert await take(budget, 2) < 1

    async def test_is_unused_before_the_first_call(self, budget) -> None:
        view = await budget.read_status()

        assert (view.limit, view.wait_seconds, view.pauses) == (400, 0, 0)

    async def test_is_unavailable_without_its_database(self, database_url) -> None:
        async with open_budget(database_url, requests_per_minute=600) as budget:
            await budget.acquire()
        with pytest.raises(SupplierUnavailable, match="database"):
            await budget.acquire()

    async def test_is_unavailable_without_its_table(self, db, budget) -> None:
        async with db.transaction() as tx:
            await tx.execute("DROP TABLE keyshop.supplier_budget")

        with pytest.raises(SupplierUnavailable, match="database"):
            await budget.acquire()


class TestProcesses:
    async def test_stay_within_the_limit_together(self, database_url, unlimited_market) -> None:
        market, supplier_url = unlimited_market

        results = await call_from_processes(
            4,
            database_url=database_url,
            supplier_url=supplier_url,
            seconds=6,
            tasks=3,
            budget={"limit": 120, "window_seconds": 3, "jitter_seconds": 1},
        )

        calls = list(market.ledger.calls)
        assert all(set(outcomes) == {"ok"} for outcomes in results)
        assert {page_of(call) for call in calls} == {"1", "2", "3", "4"}
        assert 60 < most_in(calls, seconds=3) <= 120

    async def test_all_pause_after_a_429_to_one(self, database_url, unlimited_market) -> None:
        market, supplier_url = unlimited_market
        calling = asyncio.create_task(
            call_from_processes(
                4,
                database_url=database_url,
                supplier_url=supplier_url,
                seconds=6,
                tasks=3,
                budget={"limit": 120, "window_seconds": 3, "jitter_seconds": 1},
            )
        )
        await wait_until(partial(has_heard_all, market))

        market.faults.next("products", "rate_limited", retry_after=2)
        results = await calling

        calls = list(market.ledger.calls)
        slowed = next(call.at for call in calls if call.status == 429)
        # Calls that were sent before the answer arrived cannot be stopped.
        quiet = [c for c in calls if timedelta(seconds=0.5) < c.at - slowed < timedelta(seconds=2)]
        after = [c for c in calls if c.at - slowed >= timedelta(seconds=2)]
        assert quiet == []
        assert {page_of(call) for call in after} == {"1", "2", "3", "4"}
        assert sum(outcomes["BR03"] for outcomes in results) == 1


class TestClient:
    async def test_waits_for_the_retry_after_of_a_429_and_then_succeeds(
        self, db, market, simulator_url
    ):
        market.faults.next("products", "rate_limited", retry_after=1)
        connected = connect_g2a(
            base_url=simulator_url, credentials=SANDBOX, budget=Budget(db), retries=BRISK
        )

        started = time.monotonic()
        async with connected as client:
            page = await client.list_products(1)

        assert time.monotonic() - started > 0.95
        assert len(page.products) == 20
        assert market.ledger.count("products") == 2

    async def test_does_not_try_again_when_the_pause_is_longer_than_it_may_wait(
        self, db, market, simulator_url
    ) -> None:
        market.faults.next("products", "rate_limited", retry_after=120)
        connected = connect_g2a(
            base_url=simulator_url, credentials=SANDBOX, budget=Budget(db), retries=BRISK
        )

        async with connected as client:
            with pytest.raises(BudgetExhausted):
                await client.list_products(1)

        assert market.ledger.count("products") == 1
