"""A stopped or killed shop leaves no process behind and continues with its data."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keyshop.embedded.database import run_sql
from tests.keyshop.embedded.users import wait_until
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess
from tests.servers import open_home

# Two seconds are promised; more, because other tests run on the same machine.
_END_SECONDS = 10


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home whose data stay from one start to the next."""
    with open_home() as folder:
        yield folder / "home"


@pytest.fixture
def shop(home: Path) -> Iterator[ShopProcess]:
    shop = ShopProcess(home)
    yield shop
    shop.end()
    assert shop.list_processes() == []


def write(shop: ShopProcess, row: str) -> None:
    """Store a row durably, as an operation of the shop does."""
    sql = f"INSERT INTO tags (id, name, slug) VALUES ('{row}', '{row}', '{row}')"
    run_sql(shop.database_url, sql, "SELECT 1")


def has(shop: ShopProcess, row: str) -> bool:
    return run_sql(shop.database_url, f"SELECT count(*) FROM tags WHERE id = '{row}'") == 1


class TestStop:
    def test_leaves_no_process_behind_and_the_data_for_the_next_start(self, shop):
        shop.start("up")
        write(shop, "stopped")
        runs = "SELECT count(*) FROM keyshop.sync_runs WHERE kind = 'full'"
        before = run_sql(shop.database_url, runs)

        assert shop.stop(signal.SIGINT) == 0
        assert shop.list_processes() == []

        # The next start has all data, and does not read the catalogue again.
        shop.start("up")
        assert has(shop, "stopped")
        assert shop.get_json("/api/games?pageSize=1")["data"]["total"] == 100
        assert run_sql(shop.database_url, runs) == before
        assert shop.stop(signal.SIGTERM) == 0
        assert shop.list_processes() == []


class TestKilledUp:
    def test_takes_its_children_with_it_and_leaves_all_data(self, shop):
        shop.start("up")
        write(shop, "killed")

        shop.stop(signal.SIGKILL)

        wait_until(lambda: not shop.list_processes(), seconds=_END_SECONDS)
        shop.start("up")
        assert has(shop, "killed")
        wait_until(shop.is_healthy, seconds=_END_SECONDS)
