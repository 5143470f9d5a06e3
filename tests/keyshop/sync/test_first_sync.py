"""A full sync into an empty shop."""

from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from g2a_simulator.market import Market
from keyshop.catalog.rules import NO_COVER, PriceBasis
from keyshop.kit.database.pool import Database
from keyshop.sync.rules import RunState
from tests.factories.games import make_game
from tests.factories.syncs import (
    count,
    expected_price,
    is_sold,
    read_game,
    read_games,
    read_links,
    read_run,
    sync,
)


class TestFirstSync:
    async def test_brings_every_product_with_its_price_and_stock(self, db, supplier, market):
        run = await sync(db, supplier)

        games = await read_games(db)
        assert run.state is RunState.COMPLETE
        assert games.keys() == set(market.product_ids())
        for product_id, game in games.items():
            assert game["price"] == expected_price(market, product_id)
            assert game["inStock"] is game["g2aStock"] is is_sold(market, product_id)
            assert game["title"] == market.product(product_id)["name"]

    async def test_counts_what_it_did(self, db: Database, supplier, market: Market):
        run = await sync(db, supplier)

        stored = await read_run(db, run)
        assert stored == replace(
            run,
            started_at=stored.started_at,  # to the millisecond
            finished_at=stored.finished_at,
        )
        assert (run.total, run.products, run.added, run.pages) == (60, 60, 60, 3)
        assert (run.updated, run.relinked, run.unknown, run.rejected) == (0, 0, 0, 0)
        assert (run.pages_failed, run.unseen, run.reason) == (0, 0, None)
        assert run.added == await count(db, "games")
        assert run.genres_created == await count(db, "genres")
        assert run.categories_created == await count(db, "categories")
        assert run.platforms_created == await count(db, "platforms")
        assert run.write_seconds > 0
        assert run.finished_at is not None
        assert run.finished_at > run.started_at

    async def test_links_platform_region_genres_and_categories(self, db, supplier, market) -> None:
        product_id, other = market.first_ids(2)
        # One id of the supplier may have several names, so only names identify genres.
        market.set_product(
            product_id,
            platform="Steam",
            region="EUROPE",
            categories=[{"id": 1, "name": "Action"}, {"id": 1, "name": "Puzzle"}],
        )
        market.set_product(other, categories=[{"id": 2, "name": "Action"}])

        await sync(db, supplier)

        assert await read_links(db, "platforms", product_id) == {"Steam"}
        assert await read_links(db, "genres", product_id) == {"Action", "Puzzle"}
        assert await read_links(db, "categories", product_id) == {"Action", "Puzzle"}
        assert await read_links(db, "genres", other) == {"Action"}
        assert await read_links(db, "tags", product_id) == set()
        assert (await read_game(db, product_id))["region"] == "EUROPE"

    async def test_treats_names_that_differ_in_case_as_one(self, db, supplier, market) -> None:
        product_id, other = market.first_ids(2)
        market.set_product(product_id, categories=[{"id": 1, "name": "Sci-Fi"}])
        market.set_product(other, categories=[{"id": 1, "name": "SCI FI"}])

        await sync(db, supplier)

        assert len(await read_links(db, "genres", product_id)) == 1
        assert await read_links(db, "genres", product_id) == await read_links(db, "genres", other)

    async def test_distinguishes_names_in_other_alphabets(self, db, supplier, market) -> None:
        product_id, other = market.first_ids(2)
        market.set_product(product_id, categories=[{"id": 1, "name": "冒険 18+"}])
        market.set_product(
            other, categories=[{"id": 1, "name": "恐怖 18+"}, {"id": 1, "name": "戦略"}]
        )

        await sync(db, supplier)

        assert await read_links(db, "genres", product_id) == {"冒険 18+"}
        assert await read_links(db, "genres", other) == {"恐怖 18+", "戦略"}

    async def test_uses_defaults_for_absent_values(self, db, supplier, market) -> None:
        bare = market.first_ids(1)[0]
        market.break_product(
            bare,
            name="Bare Game",
            release_date="",
            publisher="",
            region="",
            platform="",
            categories=[],
            coverImage="",
            images=[],
        )

        run = await sync(db, supplier)

        game = await read_game(db, bare)
        assert run.state is RunState.COMPLETE
        assert game["releaseDate"] == datetime(1970, 1, 1, tzinfo=UTC)
        assert game["image"] == NO_COVER
        assert game["images"] == []
        assert game["description"] == "Bare Game"
        assert (game["publisher"], game["region"], game["activationService"]) == (None, None, None)
        assert await read_links(db, "platforms", bare) == set()
        assert await read_links(db, "genres", bare) == set()

    async def test_accepts_fields_that_are_missing_or_of_another_type(self, db, supplier, market):
        odd, odder, sound = market.first_ids(3)
        gone = ["release_date", "publisher", "region", "platform", "categories", "coverImage"]
        market.break_product(odd, without=[*gone, "images"])
        market.break_product(
            odder, release_date="soon", publisher=7, categories="RPG", images={}, platform=None
        )

        run = await sync(db, supplier)

        assert run.state is RunState.COMPLETE
        assert {odd, odder, sound} <= set(await read_games(db))

    async def test_turns_a_description_into_safe_text(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(
            product_id,
            description="<p>Fast &amp; <b>good</b></p><script>steal()</script><img onerror=x()>",
        )

        await sync(db, supplier)

        assert (await read_game(db, product_id))["description"] == "Fast &amp; good"

    async def test_gives_games_of_one_name_different_slugs(self, db, supplier, market):
        first, second, third = market.first_ids(3)
        for product_id in (first, second, third):
            market.set_product(product_id, name="Portal")

        await sync(db, supplier)

        slugs = [(await read_game(db, id_))["slug"] for id_ in (first, second, third)]
        assert slugs == ["portal", f"portal-{second}", f"portal-{third}"]

    async def test_gives_a_name_without_latin_letters_a_slug(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, name="ポータル")

        await sync(db, supplier)

        game = await read_game(db, product_id)
        assert (game["title"], game["slug"]) == ("ポータル", product_id)

    async def test_keeps_the_slugs_of_games_made_by_hand(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, name="Portal")
        # The slugs that the sync would choose next are taken as well.
        for slug in ("portal", f"portal-{product_id}", f"portal-{product_id}-2"):
            await make_game(db, title="Portal by hand", slug=slug)

        run = await sync(db, supplier)

        assert run.state is RunState.COMPLETE
        assert (await read_game(db, product_id))["slug"] == f"portal-{product_id}-3"
        assert await count(db, "games") == 63

    async def test_uses_the_price_that_the_setting_names(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, minPrice=10, retail_min_price=20)

        prices = []
        for basis in (PriceBasis.MIN_PRICE, PriceBasis.RETAIL, PriceBasis.HIGHEST):
            await sync(db, supplier, price_basis=basis)
            prices.append((await read_game(db, product_id))["price"])

        assert prices == [Decimal("10.20"), Decimal("20.40"), Decimal("20.40")]

    async def test_stores_the_suppliers_own_prices_and_quantities(
        self, db, supplier, market
    ) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(
            product_id, minPrice=9.5, retail_min_price=11.25, retailMinBasePrice=10, qty=3
        )

        await sync(db, supplier)

        async with db.read() as reader:
            kept = await reader.fetchrow(
                """SELECT min_price, retail_min_price, retail_min_base_price, qty
                   FROM keyshop.supplier_games WHERE product_id = $1""",
                product_id,
            )
        assert tuple(kept) == (Decimal("9.5"), Decimal("11.25"), 10, 3)

    async def test_asks_for_products_that_are_sold_out_too(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, qty=0)

        await sync(db, supplier)

        assert (await read_game(db, product_id))["inStock"] is False

    async def test_of_an_empty_list_is_complete(self, db, supplier, market) -> None:
        for product_id in market.product_ids():
            market.remove_product(product_id)

        run = await sync(db, supplier)

        assert (run.state, run.total, run.products) == (RunState.COMPLETE, 0, 0)
