"""`keyshop sync ...` in a terminal: its output, its exit status, and the state after a kill."""

import json
import signal

import pytest

from g2a_simulator.market import Market
from keyshop.kit.database.pool import Database
from tests.factories.syncs import count, expected_price, read_games, wait_until
from tests.journeys.terminal import Terminal, end_of


@pytest.fixture
def market() -> Market:
    """A supplier with three batches of products."""
    market = Market(products=1200, seed=1)
    market.settings.requests_per_minute = None
    return market


async def wait_for_two_batches(db: Database) -> None:
    """Wait until two batches are written and the supplier no longer answers."""

    async def is_written() -> bool:
        return await count(db, "games") == 1000

    await wait_until(is_written)


def stop_answering_after(market: Market, pages: int) -> None:
    market.faults.next("products", "slow", seconds=0, calls=pages)
    market.faults.rate("products", "hang", 1)


class TestSyncCommand:
    async def test_reports_success_by_its_exit_status(self, terminal: Terminal, db, market) -> None:
        ended = await terminal.run("sync", "full", "--json")

        run = json.loads(ended.out)
        assert (ended.status, run["state"], run["added"]) == (0, "COMPLETE", 1200)
        assert await count(db, "games") == 1200

    async def test_exits_with_1_and_the_reason_when_a_page_was_not_read(
        self, terminal, db, market
    ) -> None:
        market.settings.page_ceiling = 59

        ended = await terminal.run("sync", "full", "--json")

        run = json.loads(ended.out)
        assert (ended.status, run["state"], run["added"]) == (1, "INCOMPLETE", 1180)
        assert "keyshop: 1 of 60 pages could not be read." in ended.err
        status = await terminal.run("sync", "status", "--json")
        errors = json.loads(status.out)["errors"][run["id"]]
        assert [error["page"] for error in errors] == [60]

    async def test_is_refused_while_another_process_syncs(self, terminal, db, market) -> None:
        stop_answering_after(market, pages=55)

        async with terminal.start("sync", "full") as first:
            await wait_for_two_batches(db)
            second = await terminal.run("sync", "full")
            first.kill()

        assert second.status == 1
        assert "A full sync is already running" in second.err
        assert await count(db, "keyshop.sync_runs") == 1


class TestKilledSync:
    async def test_leaves_whole_batches_and_the_next_one_finishes(
        self, terminal, db, market
    ) -> None:
        stop_answering_after(market, pages=55)
        async with terminal.start("sync", "full") as process:
            await wait_for_two_batches(db)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        market.faults.clear()

        games = await read_games(db)
        assert len(games) == 1000
        assert all(game["price"] == expected_price(market, id_) for id_, game in games.items())
        assert await count(db, "keyshop.supplier_games") == 1000

        again = await terminal.run("sync", "full", "--json")

        run = json.loads(again.out)
        assert (again.status, run["added"], run["updated"]) == (0, 200, 0)
        assert "was interrupted after 1000 products; its changes are kept." in again.err
        runs = json.loads((await terminal.run("sync", "runs", "--json")).out)["runs"]
        assert [run["state"] for run in runs] == ["COMPLETE", "INTERRUPTED"]

    async def test_by_ctrl_c_is_recorded_as_interrupted(self, terminal, db, market) -> None:
        stop_answering_after(market, pages=55)

        async with terminal.start("sync", "full") as process:
            await wait_for_two_batches(db)
            process.send_signal(signal.SIGINT)
            ended = await end_of(process)

        runs = json.loads((await terminal.run("sync", "runs", "--json")).out)["runs"]
        assert ended.status not in {0, 1}
        assert "Traceback" not in ended.err
        assert [(run["state"], run["reason"]) for run in runs] == [
            ("INTERRUPTED", "The run was stopped. What it wrote stays.")
        ]
