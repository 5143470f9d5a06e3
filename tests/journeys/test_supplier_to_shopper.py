"""From the supplier's products to what a shopper sees, over HTTP on both sides."""

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

import httpx2
import msgspec
import pytest_asyncio

from keyshop.kit.cache.open import open_cache, run_relay
from keyshop.sync.rules import RunKind
from tests.factories.api_app import make_app
from tests.factories.syncs import sync
from tests.keyshop.entrypoints.api.conftest import client_of


@pytest_asyncio.fixture
async def shopper(db, database_url, valkey_url):
    """A client of a shop with a cache, while another process runs the sync."""
    async with (
        run_relay(database_url, valkey_url),
        open_cache(database_url, valkey_url) as opened,
        client_of(make_app(db, cache=opened.cache)) as caller,
    ):
        yield caller


async def fetch(shopper: httpx2.AsyncClient, path: str):
    answer = await shopper.get(path)
    assert answer.status_code == 200, answer.text
    # Decimal, because a float could hide a cent.
    return msgspec.json.Decoder(float_hook=Decimal).decode(answer.content)["data"]


def shop_price_of(product) -> Decimal:
    highest = max(Decimal(str(product["minPrice"])), Decimal(str(product["retail_min_price"])))
    return (highest * Decimal("1.02")).quantize(Decimal("0.01"), ROUND_HALF_UP)


class TestShopper:
    async def test_sees_every_product_with_the_shops_price(
        self, db, supplier, market, shopper
    ) -> None:
        await sync(db, supplier)

        products = [market.product(id_) for id_ in market.product_ids()]
        page = await fetch(shopper, "/api/games?inStockOnly=false&pageSize=100")
        assert Counter(
            (game["title"], game["price"], game["inStock"]) for game in page["data"]
        ) == (
            Counter(
                (product["name"], shop_price_of(product), product["qty"] > 0)
                for product in products
            )
        )

    async def test_finds_games_by_the_suppliers_genres_and_platforms(
        self, db, supplier, market, shopper
    ) -> None:
        await sync(db, supplier)

        products = [market.product(id_) for id_ in market.product_ids()]
        genre = Counter(
            category["name"] for product in products for category in product["categories"]
        ).most_common(1)[0][0]
        wanted = sorted(
            product["name"]
            for product in products
            if genre in {category["name"] for category in product["categories"]}
        )
        found = await fetch(shopper, f"/api/games?inStockOnly=false&pageSize=100&genres={genre}")
        assert sorted(game["title"] for game in found["data"]) == wanted
        assert all(genre in game["genres"] for game in found["data"])
        platform = found["data"][0]["platforms"][0]
        both = await fetch(
            shopper,
            f"/api/games?inStockOnly=false&pageSize=100&genres={genre}&platforms={platform}",
        )
        assert 0 < both["total"] <= found["total"]

    async def test_sees_a_new_price_and_no_stock_after_the_stock_check(
        self, db, supplier, market, shopper
    ) -> None:
        await sync(db, supplier)
        highest, sold_out = [id_ for id_ in market.product_ids() if market.product(id_)["qty"] > 0][
            :2
        ]
        market.set_product(highest, minPrice=10, retail_min_price=99.99)
        market.set_product(sold_out, qty=0)
        before = await self._find(db, shopper, sold_out)
        assert before["inStock"] is True
        assert await fetch(shopper, "/api/games?inStockOnly=true&sort=popular")

        await sync(db, supplier, RunKind.STOCK)

        in_stock = await fetch(shopper, "/api/games?inStockOnly=true&pageSize=100")
        stocked = {(game["title"], game["price"]) for game in in_stock["data"]}
        assert (market.product(highest)["name"], Decimal("101.99")) in stocked
        first = await fetch(shopper, "/api/games?inStockOnly=true&sort=popular")
        assert before["id"] not in {game["id"] for game in first["data"]}
        gone = await self._find(db, shopper, sold_out)
        assert gone["inStock"] is False
        assert gone["id"] not in {game["id"] for game in in_stock["data"]}

    async def test_sees_the_unchanged_catalogue_while_the_supplier_fails(
        self, db, supplier, market, shopper
    ) -> None:
        await sync(db, supplier)
        before = (await shopper.get("/api/games?inStockOnly=false&pageSize=100")).content
        for fault in ("garbage", "server_error", "cut_body"):
            market.faults.rate("products", fault, 1)

            await sync(db, supplier)

            after = (await shopper.get("/api/games?inStockOnly=false&pageSize=100")).content
            assert after == before

    async def _find(self, db, shopper: httpx2.AsyncClient, product_id: str):
        async with db.read() as reader:
            game_id = await reader.fetchval(
                'SELECT id FROM games WHERE "g2aProductId" = $1', product_id
            )
        return await fetch(shopper, f"/api/games/{game_id}")
