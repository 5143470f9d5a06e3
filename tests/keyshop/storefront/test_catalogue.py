from decimal import Decimal
from typing import Any

import pytest

from keyshop.kit.database.pool import Database
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.models import CatalogueFilter, Sort
from tests.factories.catalogue import make_catalogue_query
from tests.factories.games import NOON, make_game
from tests.keyshop.storefront.conftest import NO_CACHE, data_of
from tests.keyshop.storefront.test_lists import POPULAR

Ids = dict[str, str]


async def browse(
    db: Database, sort: Sort = Sort.POPULAR, page: int = 1, page_size: int = 100, **wanted: Any
) -> list[str]:
    query = make_catalogue_query(
        CatalogueFilter(**wanted), sort=sort, page=page, page_size=page_size
    )
    found = await data_of(browse_catalogue(db, NO_CACHE, query, now=NOON))
    assert found["total"] >= len(found["data"])
    return [game["title"] for game in found["data"]]


class TestCatalogue:
    async def test_lists_rated_games_before_unrated_ones_when_sorted_by_popularity(
        self, stocked: Database
    ):
        shown = await browse(stocked, in_stock_only=True)

        assert shown == [title for title in POPULAR if title not in {"Iron Next", "Drift", "Later"}]

    async def test_lists_rated_games_first_with_other_filters_too(self, stocked: Database):
        assert await browse(stocked, genres=["noir"]) == ["Smoke", "Rain", "Ash"]

    async def test_shows_what_is_sold_out_unless_asked_otherwise(self, stocked: Database):
        assert len(await browse(stocked)) == 30
        assert (await browse(stocked))[0] == "Gone Iron"

    @pytest.mark.parametrize(
        ("sort", "first"),
        [
            (Sort.NEWEST, ["Never", "Later", "Iron Next"]),
            (Sort.PRICE_ASCENDING, ["Apex Zero", "Old Dragon", "Ironclad"]),
            (Sort.PRICE_DESCENDING, ["Iron Next", "Iron Dawn", "Dragon Oath"]),
            (Sort.LATEST_ENTRY, ["Iron Dawn", "Iron Dusk", "Ironclad"]),
        ],
    )
    async def test_is_sorted_as_requested(self, stocked: Database, sort: Sort, first: list[str]):
        assert (await browse(stocked, sort))[:3] == first

    async def test_takes_any_value_of_a_filter_and_all_filters(self, stocked: Database):
        shown = await browse(
            stocked, genres=["Action", "open-world"], publishers=["Northwind", "Lamp"]
        )

        assert shown == [
            "Gone Iron",
            "Iron Dawn",
            "Steel Iron",
            "Iron Dusk",
            "Iron Next",
            "Ironclad",
            "Rust",
        ]

    async def test_matches_nothing_for_an_unknown_genre(self, stocked: Database):
        assert await browse(stocked, genres=["Cooking"]) == []

    async def test_finds_platforms_by_slug(self, stocked: Database):
        assert len(await browse(stocked, platforms=["gog-com"])) == 10

    async def test_filters_by_both_ends_of_a_price_range(self, stocked: Database):
        shown = await browse(
            stocked, Sort.PRICE_ASCENDING, price_from=Decimal("9.99"), price_to=Decimal("10.00")
        )

        assert shown == ["Ironclad", "Steel Iron"]

    async def test_leaves_out_the_upper_end_of_a_preset(self, stocked: Database):
        assert "Steel Iron" not in await browse(stocked, price_below=Decimal(10))

    async def test_filters_by_several_players(self, stocked: Database):
        assert len(await browse(stocked, multiplayer=True)) == 15
        assert len(await browse(stocked, multiplayer=False)) == 15

    async def test_filters_by_region_and_activation_service(self, db: Database, fresh_ids: Ids):
        await make_game(db, title="Local", region="EUROPE", activationService="Steam")
        await make_game(db, title="Elsewhere", region="ASIA", activationService="Steam")

        assert await browse(db, regions=["EUROPE"], activation_services=["Steam"]) == ["Local"]

    async def test_searches_as_the_search_does(self, stocked: Database):
        shown = await browse(stocked, search="iron", in_stock_only=True)

        assert shown == ["Iron Dawn", "Steel Iron", "Iron Dusk", "Ironclad", "Quiet"]

    async def test_combines_a_search_with_filters(self, stocked: Database):
        assert await browse(stocked, search="iron", genres=["rpg"]) == ["Iron Dusk"]

    async def test_divides_everything_into_pages_without_gap_or_repetition(self, stocked: Database):
        pages = [await browse(stocked, page=page, page_size=7) for page in range(1, 6)]

        assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
        assert [title for page in pages for title in page] == await browse(stocked)

    async def test_counts_pages(self, stocked: Database):
        query = make_catalogue_query(page=9, page_size=7)

        found = await data_of(browse_catalogue(stocked, NO_CACHE, query, now=NOON))

        assert found == {"data": [], "total": 30, "page": 9, "pageSize": 7, "totalPages": 5}

    async def test_of_an_empty_shop_has_no_pages(self, db: Database):
        found = await data_of(browse_catalogue(db, NO_CACHE, make_catalogue_query(), now=NOON))

        assert found == {"data": [], "total": 0, "page": 1, "pageSize": 36, "totalPages": 0}


class TestAllFiltersTogether:
    @pytest.mark.parametrize("sort", list(Sort))
    async def test_make_a_statement_that_the_database_understands(
        self, stocked: Database, sort: Sort
    ):
        shown = await browse(
            stocked,
            sort,
            search="x",
            price_from=Decimal(1),
            price_to=Decimal(2),
            price_below=Decimal(3),
            in_stock_only=True,
            platforms=["a"],
            genres=["b"],
            activation_services=["c"],
            regions=["d"],
            publishers=["e"],
            multiplayer=True,
        )

        assert shown == []
