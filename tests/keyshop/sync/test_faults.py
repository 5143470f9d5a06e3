"""A failing supplier: only valid answers change the catalogue."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from keyshop.kit.database.pool import Database
from keyshop.sync.rules import RunKind, RunState
from tests.factories.syncs import (
    change,
    count,
    expected_price,
    list_failed_pages,
    open_client,
    read_game,
    read_games,
    read_versions,
    sync,
)

# Every way in which a page is lost; "hang" is a matter of time and has a test of its own.
LOST: Final = [
    "server_error",
    "internal_failure",
    "bad_gateway",
    "rate_limited",
    "garbage",
    "cut_body",
    "lost_answer",
    "reset",
    "AUTH02",
]
EVERYTHING: Final = ("games", "keyshop.supplier_games", "game_genres", "game_platforms")


@pytest_asyncio.fixture
async def stocked(db: Database, supplier, market) -> list[dict[str, tuple[str, str]]]:
    """The catalogue after a first sync, before the supplier changes everything and fails."""
    for product_id in market.product_ids():
        market.set_product(product_id, qty=5, availableToBuy=True)
    await sync(db, supplier)
    return [await read_versions(db, table) for table in EVERYTHING]


@pytest_asyncio.fixture
async def hasty_supplier(simulator_url) -> AsyncIterator[object]:
    """A client with a shorter timeout than the shop's."""
    async with open_client(simulator_url, timeout=0.3) as client:
        yield client


class TestUnavailableSupplier:
    async def test_changes_nothing_and_says_why(self, db, supplier, market, stocked) -> None:
        change_everything(market)

        for fault in LOST:
            market.ledger.clear()
            market.faults.rate("products", fault, 1)
            runs = [await sync(db, supplier, kind) for kind in RunKind]
            market.faults.clear()

            for run in runs:
                assert (run.state, run.products, run.updated) == (RunState.INCOMPLETE, 0, 0), fault
                assert run.reason == "The supplier's list could not be read. Nothing was changed."
                assert run.unseen is None
                assert list(await list_failed_pages(db, run)) == [1]
            # A run asks for one page, twice at most: an unreachable supplier gets no flood of calls.
            assert market.ledger.count("products") <= 4
        assert [await read_versions(db, table) for table in EVERYTHING] == stocked

    async def test_times_out_without_an_answer(self, db, market, stocked, hasty_supplier) -> None:
        change_everything(market)
        market.faults.rate("products", "hang", 1)

        run = await asyncio.wait_for(sync(db, hasty_supplier), 5)

        assert [await read_versions(db, table) for table in EVERYTHING] == stocked
        assert run.state is RunState.INCOMPLETE
        assert "the answer timed out" in (await list_failed_pages(db, run))[1]

    async def test_is_noticed_when_the_connection_is_refused(self, db, stocked) -> None:
        async with open_client("http://127.0.0.1:1") as unreachable:
            run = await sync(db, unreachable)

        assert [await read_versions(db, table) for table in EVERYTHING] == stocked
        assert (run.state, run.pages_failed) == (RunState.INCOMPLETE, 1)

    async def test_creates_no_games(self, db, supplier, market) -> None:
        market.faults.rate("products", "server_error", 1)

        run = await sync(db, supplier)

        assert (run.state, run.total) == (RunState.INCOMPLETE, None)
        assert await count(db, "games") == 0

    async def test_in_the_middle_ends_the_run_soon(self, db, supplier, market) -> None:
        for number in range(400):
            market.add_product(str(50_000_000_000_000 + number), minPrice=5)
        market.faults.rate("products", "server_error", 1)
        # After the first page, the supplier is unavailable.
        market.faults.next("products", "slow", seconds=0)

        run = await sync(db, supplier)

        assert (run.state, run.pages, run.added) == (RunState.INCOMPLETE, 1, 20)
        assert run.pages_failed == 5
        assert run.reason == "5 of 23 pages could not be read, and 17 were not requested."
        assert market.ledger.count("products") < 23


class TestBrokenPage:
    @pytest.mark.parametrize("kind", list(RunKind))
    async def test_costs_no_other_page(self, db, supplier, market, stocked, kind) -> None:
        before, ids = await read_games(db), market.product_ids()

        for number, fault in enumerate(LOST, start=1):
            change_everything(market, price=100 + number)
            # One page at a time: the second one always fails.
            market.faults.next("products", "slow", seconds=0)
            market.faults.next("products", fault, calls=1 if fault == "AUTH02" else 2)
            run = await sync(db, supplier, kind, max_parallel_pages=1)

            after = await read_games(db)
            assert (run.state, run.pages, run.pages_failed) == (RunState.INCOMPLETE, 2, 1), fault
            assert run.reason == "1 of 3 pages could not be read."
            assert list(await list_failed_pages(db, run)) == [2]
            assert (run.updated, run.unseen) == (40, 20)
            # The content of the lost page is unknown, so its games stay as they are.
            assert {i: after[i] for i in ids[20:40]} == {i: before[i] for i in ids[20:40]}
            assert all(after[i]["price"] == expected_price(market, i) for i in ids[:20] + ids[40:])
            assert not any(after[i]["inStock"] for i in ids[:20] + ids[40:])
        assert await count(db, "keyshop.sync_missing_products") == 0

    async def test_is_read_at_the_second_attempt(self, db, supplier, market, stocked) -> None:
        change_everything(market)
        market.faults.next("products", "cut_body")

        run = await sync(db, supplier)

        assert (run.state, run.updated) == (RunState.COMPLETE, 60)

    async def test_that_hangs_costs_no_other_page(
        self, db, market, stocked, hasty_supplier
    ) -> None:
        change_everything(market)
        market.faults.next("products", "slow", seconds=0)
        market.faults.next("products", "hang", calls=2)

        run = await sync(db, hasty_supplier, max_parallel_pages=1)

        assert (run.state, run.updated) == (RunState.INCOMPLETE, 40)
        assert "the answer timed out" in (await list_failed_pages(db, run))[2]

    async def test_may_be_slow(self, db, supplier, market, stocked) -> None:
        change_everything(market)
        market.faults.next("products", "slow", calls=3, seconds=0.2)

        run = await sync(db, supplier)

        assert (run.state, run.updated) == (RunState.COMPLETE, 60)


class TestShortPage:
    async def test_changes_no_stock_and_is_reported(self, db, supplier, market, stocked) -> None:
        market.faults.next("products", "short_page", calls=1)

        run = await sync(db, supplier)

        assert [await read_versions(db, table) for table in EVERYTHING] == stocked
        assert run.state is RunState.INCOMPLETE
        assert run.reason == f"The supplier counts 60 products, but listed only {run.products}."
        assert run.unseen == 60 - run.products > 0
        assert await count(db, "keyshop.sync_missing_products") == 0

    async def test_is_not_taken_for_a_small_catalogue(self, db, supplier, market) -> None:
        market.faults.rate("products", "short_page", 1)

        run = await sync(db, supplier)

        assert run.state is RunState.INCOMPLETE
        assert run.added == await count(db, "games") < 60


class TestUnlistedProducts:
    async def test_are_counted_and_left_as_they_are(self, db, supplier, market, stocked) -> None:
        gone = market.first_ids(1)[0]
        before = await read_game(db, gone)
        market.remove_product(gone)

        runs = [await sync(db, supplier), await sync(db, supplier, RunKind.STOCK)]

        assert [(run.state, run.unseen) for run in runs] == [(RunState.COMPLETE, 1)] * 2
        assert await read_game(db, gone) == before
        assert await missing_since(db) == {gone: run_time(runs[0])}

    async def test_are_no_longer_missing_when_they_come_back(self, db, supplier, market, stocked):
        gone = market.first_ids(1)[0]
        market.remove_product(gone)
        await sync(db, supplier)
        market.add_product(gone)

        run = await sync(db, supplier)

        assert run.unseen == 0
        assert await missing_since(db) == {}

    async def test_are_not_recorded_while_an_entry_has_no_id(
        self, db, supplier, market, stocked
    ) -> None:
        nameless = market.first_ids(1)[0]
        market.break_product(nameless, without=["id"])

        run = await sync(db, supplier)

        # The entry may be the game that was not seen.
        assert (run.state, run.unseen, run.rejected) == (RunState.COMPLETE, 1, 1)
        assert await missing_since(db) == {}

    async def test_are_deleted_with_their_games(self, db, supplier, market, stocked) -> None:
        gone = market.first_ids(1)[0]
        market.remove_product(gone)
        await sync(db, supplier)
        await change(db, 'DELETE FROM games WHERE "g2aProductId" = $1', gone)

        await sync(db, supplier)

        assert await missing_since(db) == {}

    async def test_do_not_include_games_of_the_shop_alone(
        self, db, supplier, market, stocked
    ) -> None:
        await change(
            db,
            'UPDATE games SET "g2aProductId" = NULL WHERE "g2aProductId" = $1',
            market.first_ids(1)[0],
        )

        run = await sync(db, supplier)

        # The product is sold again as a new game, and the shop's own game is not counted.
        assert (run.added, run.unseen) == (1, 0)


class TestEmptyList:
    @pytest.mark.parametrize("kind", RunKind)
    async def test_after_a_full_catalogue_is_suspect(
        self, db, supplier, market, stocked, kind
    ) -> None:
        before = await read_games(db)
        gone = market.product_ids()
        for product_id in gone:
            market.remove_product(product_id)

        run = await sync(db, supplier, kind)

        assert (run.state, run.total, run.unseen) == (RunState.SUSPECT, 0, 60)
        assert run.reason == (
            "The supplier's list is empty, but the shop has 60 of its games."
            " Nothing was changed or counted as missing."
        )
        assert await missing_since(db) == {}
        assert await read_games(db) == before
        for product_id in gone:
            market.add_product(product_id)
        assert (await sync(db, supplier, kind)).state is RunState.COMPLETE


class TestCeiling:
    async def test_makes_a_run_incomplete(self, db, supplier, market) -> None:
        run = await sync(db, supplier, last_page=2)

        assert (run.state, run.added, run.pages) == (RunState.INCOMPLETE, 40, 2)
        assert run.reason == (
            "The supplier counts 60 products, but its list shows at most 40 of them."
        )
        assert market.ledger.count("products") == 2

    async def test_of_the_supplier_is_noticed_as_well(self, db, supplier, market) -> None:
        market.settings.page_ceiling = 2

        run = await sync(db, supplier)

        assert run.state is RunState.INCOMPLETE
        assert run.added == 40


def change_everything(market, *, price: float = 123.45) -> None:
    """Change all prices at the supplier, and sell everything out."""
    for product_id in market.product_ids():
        market.set_product(product_id, qty=0, minPrice=price)


async def missing_since(db: Database) -> dict[str, object]:
    async with db.read() as reader:
        records = await reader.fetch("SELECT product_id, since FROM keyshop.sync_missing_products")
    return {record["product_id"]: record["since"] for record in records}


def run_time(run) -> object:
    """Return the end of a run as a column stores it."""
    finished = run.finished_at
    return finished.replace(microsecond=round(finished.microsecond, -3))
