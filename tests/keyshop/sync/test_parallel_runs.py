"""One run of a kind at a time, both kinds in parallel, and runs that were taken over."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.sync import queries
from keyshop.sync.errors import RunTakenOver, SyncAlreadyRunning
from keyshop.sync.mark_interrupted_runs import mark_interrupted_runs
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, RunState
from tests.factories.syncs import (
    PausingClient,
    change,
    count,
    expected_price,
    open_client,
    read_games,
    read_versions,
    sync,
    wait_until,
)

_CUT_ALL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_CUT_LOCK_HOLDERS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LOCK_HOLDERS = """
    SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest_asyncio.fixture
async def held(simulator_url) -> AsyncIterator[PausingClient]:
    """A client that pauses before the second page."""
    async with open_client(simulator_url, pause_at=2) as client:
        yield client


@pytest_asyncio.fixture
async def elsewhere(database_url) -> AsyncIterator[Database]:
    """The same database from another process."""
    other = Database(database_url, guard=RedisCommitGuard(None))
    await other.open()
    yield other
    await other.close()


async def latest(db: Database) -> dict[RunKind, Run]:
    async with db.read() as reader:
        return {run.kind: run for run in await queries.list_latest_runs(reader)}


async def cut(db: Database, sql: str) -> None:
    """Terminate the connections of others, and wait until their locks are free."""

    async def is_free() -> bool:
        async with db.read() as reader:
            return not await reader.fetchval(_LOCK_HOLDERS)

    async with db.read() as reader:
        await reader.fetch(sql)
    await wait_until(is_free)


class TestSecondRun:
    @pytest.mark.parametrize("kind", list(RunKind))
    async def test_of_the_same_kind_is_refused(self, db, elsewhere, supplier, held, kind) -> None:
        first = asyncio.create_task(sync(db, held, kind))
        await held.paused.wait()

        with pytest.raises(SyncAlreadyRunning, match="is already running"):
            await sync(elsewhere, supplier, kind)
        held.resume.set()

        assert (await first).state is RunState.COMPLETE
        assert await count(db, "keyshop.sync_runs") == 1

    async def test_may_start_as_soon_as_the_first_has_ended(self, db, elsewhere, supplier) -> None:
        await sync(db, supplier)

        assert (await sync(elsewhere, supplier)).state is RunState.COMPLETE

    async def test_of_the_other_kind_need_not_wait(self, db, elsewhere, supplier, market, held):
        await sync(db, supplier)
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, minPrice=66.6)
        full = asyncio.create_task(sync(db, held))
        await held.paused.wait()

        stock = await sync(elsewhere, supplier, RunKind.STOCK)
        held.resume.set()

        assert (stock.state, stock.updated) == (RunState.COMPLETE, 1)
        assert ((await full).state, (await full).updated) == (RunState.COMPLETE, 0)

    async def test_is_not_refused_while_the_status_is_read(self, db, supplier) -> None:
        async def look() -> None:
            for _ in range(40):
                await mark_interrupted_runs(db, now=utc_now())

        async def run_often() -> list[RunState]:
            return [(await sync(db, supplier, RunKind.STOCK)).state for _ in range(5)]

        _, states = await asyncio.gather(look(), run_often())

        assert states == [RunState.COMPLETE] * 5


class TestBothKinds:
    async def test_run_together_without_a_deadlock(self, db, elsewhere, supplier, market) -> None:
        await sync(db, supplier)

        for round_ in range(6):
            for product_id in market.product_ids():
                market.set_product(product_id, minPrice=10 + round_, qty=round_ % 2)
            full, stock = await asyncio.gather(
                sync(db, supplier), sync(elsewhere, supplier, RunKind.STOCK)
            )

            assert (full.state, stock.state) == (RunState.COMPLETE, RunState.COMPLETE)
            assert full.updated + stock.updated == 60
            games = await read_games(db)
            assert all(game["price"] == expected_price(market, id_) for id_, game in games.items())


class TestInterruptedRun:
    async def test_is_recorded_when_it_is_stopped(self, db, held) -> None:
        running = asyncio.create_task(sync(db, held))
        await held.paused.wait()

        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        run = (await latest(db))[RunKind.FULL]
        assert run.state is RunState.INTERRUPTED
        assert run.reason == "The run was stopped. What it wrote stays."
        assert run.finished_at is not None
        assert held.parallel == 0

    async def test_releases_its_lock(self, db, elsewhere, supplier, held) -> None:
        running = asyncio.create_task(sync(db, held))
        await held.paused.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert (await sync(elsewhere, supplier)).state is RunState.COMPLETE

    async def test_is_marked_once_its_process_is_gone(self, db, supplier) -> None:
        await change(
            db,
            """INSERT INTO keyshop.sync_runs (id, kind, state, started_at, products)
               VALUES ('lost', 'full', 'RUNNING', now(), 500)""",
        )

        settled = await mark_interrupted_runs(db, now=utc_now())

        assert [(run.id, run.state, run.products) for run in settled] == [
            ("lost", RunState.INTERRUPTED, 500)
        ]
        assert await mark_interrupted_runs(db, now=utc_now()) == []

    async def test_is_not_marked_while_it_is_running(self, db, elsewhere, held) -> None:
        running = asyncio.create_task(sync(db, held))
        await held.paused.wait()

        assert await mark_interrupted_runs(elsewhere, now=utc_now()) == []
        held.resume.set()

        assert (await running).state is RunState.COMPLETE

    async def test_writes_nothing_once_another_run_took_over(
        self, db, elsewhere, supplier, market, held
    ) -> None:
        await sync(elsewhere, supplier)
        market.set_product(market.first_ids(1)[0], minPrice=11.11)
        forgotten = asyncio.create_task(sync(db, held))
        await held.paused.wait()
        # The lock is released with the connection; the run does not know that yet.
        await cut(elsewhere, _CUT_LOCK_HOLDERS)
        market.set_product(market.first_ids(1)[0], minPrice=22.22)
        successor = await sync(elsewhere, supplier)
        before = await read_versions(elsewhere, "games")

        held.resume.set()
        with pytest.raises(RunTakenOver, match="marked as interrupted"):
            await forgotten

        assert successor.state is RunState.COMPLETE
        assert await read_versions(elsewhere, "games") == before
        async with elsewhere.read() as reader:
            states = [run.state for run in await queries.list_runs(reader, limit=2)]
        assert states == [RunState.COMPLETE, RunState.INTERRUPTED]

    async def test_may_lose_every_connection(self, db, elsewhere, supplier, held) -> None:
        running = asyncio.create_task(sync(db, held))
        await held.paused.wait()
        await cut(elsewhere, _CUT_ALL)

        held.resume.set()
        (ended,) = await asyncio.gather(running, return_exceptions=True)

        # The run continues over new connections, or fails because the connection was lost.
        assert isinstance(ended, Run | DatabaseUnavailable)
        assert (await sync(elsewhere, supplier)).state is RunState.COMPLETE
        assert await count(elsewhere, "games") == 60


class TestBoundedReading:
    async def test_never_reads_far_ahead_of_what_is_written(self, db, market, simulator_url):
        market.settings.requests_per_minute = None
        market.settings.page_ceiling = None
        for number in range(12_000):
            market.catalogue.add(50_000_000_000_000 + number, now=0)
        ahead = []

        async with open_client(simulator_url) as supplier:
            run = await sync(
                db,
                supplier,
                RunKind.STOCK,
                report=lambda run: ahead.append(supplier.calls - run.pages),
                last_page=10_000,
            )

        assert (run.state, run.total, run.pages) == (RunState.COMPLETE, 12_060, 603)
        # A report for each batch of 25 pages, the last one small, and one at the end.
        assert len(ahead) == 603 // 25 + 2
        # One more batch, and the pages that are being read.
        assert max(ahead) <= 25 + 6
        assert supplier.max_parallel <= 6
