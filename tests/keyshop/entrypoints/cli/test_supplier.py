"""A sync brings the supplier's changes to the shop's API; a failed sync changes nothing."""

import json
from collections.abc import Iterator

import pytest

from keyshop.embedded.ports import pick_free
from tests.keyshop.embedded.database import run_sql
from tests.keyshop.entrypoints.cli.shop_process import ShopProcess

_CATALOGUE = """
    SELECT md5(string_agg(g::text, '' ORDER BY id)) FROM (
        SELECT id, title, price, "inStock", "g2aStock", "updatedAt" FROM games
    ) g
"""


@pytest.fixture
def calm(shop: ShopProcess) -> Iterator[ShopProcess]:
    """The running shop, whose simulator is reset afterwards."""
    yield shop
    shop.control_simulator("DELETE", "faults")
    shop.control_simulator("PATCH", "settings", {"latency_ms": 0})


def game_of(shop: ShopProcess, product_id: str) -> dict[str, object]:
    """Return the API's answer for the game of this product."""
    sql = f"SELECT id FROM games WHERE \"g2aProductId\" = '{product_id}'"
    game: dict[str, object] = shop.get_json(f"/api/games/{run_sql(shop.database_url, sql)}")["data"]
    return game


def some_product(shop: ShopProcess, place: int) -> str:
    sql = f'SELECT "g2aProductId" FROM games WHERE "inStock" ORDER BY 1 OFFSET {place} LIMIT 1'
    return str(run_sql(shop.database_url, sql))


class TestSync:
    # Two per cent on the highest of the supplier's prices; 61.455 is rounded up.
    @pytest.mark.parametrize(
        ("kind", "price", "shown"), [("stock", 50, 51.0), ("full", 60.25, 61.46)]
    )
    def test_brings_a_changed_price_to_the_api(self, calm, kind, price, shown):
        product_id = some_product(calm, 3)
        prices = {"minPrice": 41.37, "retail_min_price": price, "retailMinBasePrice": 48}
        calm.control_simulator("PATCH", f"products/{product_id}", prices)

        done = calm.run("sync", kind, "--json")

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["updated"] == 1
        assert game_of(calm, product_id)["price"] == shown

    def test_takes_a_product_without_stock_off_sale(self, calm):
        product_id = some_product(calm, 5)
        assert game_of(calm, product_id)["inStock"] is True
        calm.control_simulator("PATCH", f"products/{product_id}", {"qty": 0})

        done = calm.run("sync", "stock")

        assert done.returncode == 0, done.stderr
        assert game_of(calm, product_id)["inStock"] is False


class TestSupplierThatFails:
    def test_changes_nothing_and_the_run_says_why(self, calm):
        before = run_sql(calm.database_url, _CATALOGUE)
        calm.control_simulator(
            "POST", "faults", {"endpoint": "products", "kind": "garbage", "rate": 1}
        )

        failed = calm.run("sync", "full")

        assert failed.returncode == 1
        assert "Traceback" not in failed.stderr
        assert failed.stderr.splitlines()[-1].startswith("keyshop: ")
        assert run_sql(calm.database_url, _CATALOGUE) == before
        calm.control_simulator("DELETE", "faults")
        runs = json.loads(calm.run("sync", "runs", "--json").stdout)["runs"]
        # The schedule may just have started a stock check.
        newest = next(run for run in runs if run["kind"] == "full")
        assert newest["state"] in {"INCOMPLETE", "FAILED"}
        assert newest["reason"]

    @pytest.mark.slow
    def test_that_is_not_there_changes_nothing(self, calm):
        before = run_sql(calm.database_url, _CATALOGUE)

        failed = calm.run("sync", "full", "--json", SIMULATOR_PORT=pick_free())

        assert failed.returncode == 1
        assert json.loads(failed.stdout)["reason"]
        assert run_sql(calm.database_url, _CATALOGUE) == before
