"""A stock check: price and stock of the games that the shop has."""

from decimal import Decimal

from keyshop.sync.rules import RunState
from tests.factories.syncs import (
    check_stock,
    count,
    expected_price,
    read_game,
    read_links,
    read_versions,
    sync,
)


class TestStockCheck:
    async def test_brings_prices_and_stock(self, db, supplier, market) -> None:
        dearer, sold_out = market.first_ids(2)
        market.set_product(sold_out, qty=5, availableToBuy=None)
        await sync(db, supplier)
        market.set_product(dearer, minPrice=33.33, retail_min_price=30)
        market.set_product(sold_out, qty=0)

        run = await check_stock(db, supplier)

        assert (run.state, run.updated, run.added) == (RunState.COMPLETE, 2, 0)
        assert (await read_game(db, dearer))["price"] == Decimal("34.00")
        assert (await read_game(db, sold_out))["inStock"] is False

    async def test_brings_a_game_back_into_stock(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, qty=0, availableToBuy=None)
        await sync(db, supplier)
        market.set_product(product_id, qty=1)

        await check_stock(db, supplier)

        assert (await read_game(db, product_id))["inStock"] is True

    async def test_never_creates_a_game(self, db, supplier) -> None:
        run = await check_stock(db, supplier)

        assert (run.state, run.unknown, run.rejected) == (RunState.COMPLETE, 60, 0)
        assert await count(db, "games") == 0
        assert await count(db, "keyshop.sync_quarantine") == 0

    async def test_never_touches_titles_and_links(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, platform="Steam", categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        before = await read_game(db, product_id)
        links = await read_versions(db, "game_genres")
        market.set_product(
            product_id,
            minPrice=44.4,
            name="Renamed",
            platform="GOG",
            region="MOON",
            publisher="Other",
            release_date="1999-01-01",
            coverImage="https://images.example/other.jpg",
            categories=[{"id": 1, "name": "Racing"}],
        )

        await check_stock(db, supplier)

        game = await read_game(db, product_id)
        changed = {name for name, value in game.items() if value != before[name]}
        assert changed == {"price", "updatedAt", "g2aLastSync"}
        assert game["price"] == expected_price(market, product_id)
        assert await read_links(db, "platforms", product_id) == {"Steam"}
        assert await read_versions(db, "game_genres") == links

    async def test_leaves_the_rest_to_the_next_full_sync(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        await sync(db, supplier)
        market.set_product(
            product_id, minPrice=44.4, name="Renamed", categories=[{"id": 1, "name": "Racing"}]
        )
        await check_stock(db, supplier)

        run = await sync(db, supplier)

        assert (run.updated, run.relinked) == (1, 1)
        assert (await read_game(db, product_id))["title"] == "Renamed"
        assert await read_links(db, "genres", product_id) == {"Racing"}
