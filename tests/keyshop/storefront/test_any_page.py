"""Any page of the catalogue, compared with a search in Python through all thirty games."""

from decimal import Decimal
from random import Random

import pytest

from keyshop.kit.database.pool import Database
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.models import CatalogueFilter, Sort
from tests.factories.catalogue import CATALOGUE, Row, make_catalogue_query
from tests.factories.games import NOON
from tests.keyshop.storefront.conftest import NO_CACHE, data_of

_PRICES = [Decimal(price) for price in ("0", "9.99", "10", "20", "24.99", "50")]
_GENRES = ["Action", "RPG", "Noir", "Racing"]
_PUBLISHERS = ["Northwind", "Foo, Inc.", "Lamp"]


def some_filter(dice: Random) -> CatalogueFilter:
    """Return a filter with none, some or all of its values."""

    def is_asked() -> bool:
        return dice.random() < 0.3

    return CatalogueFilter(
        price_from=dice.choice(_PRICES) if is_asked() else None,
        price_to=dice.choice(_PRICES) if is_asked() else None,
        price_below=dice.choice(_PRICES) if is_asked() else None,
        in_stock_only=dice.random() < 0.5,
        platforms=["gog-com"] if is_asked() else [],
        genres=dice.sample(_GENRES, 2) if is_asked() else [],
        publishers=dice.sample(_PUBLISHERS, 2) if is_asked() else [],
        multiplayer=dice.random() < 0.5 if is_asked() else None,
    )


def is_wanted(place: int, game: Row, wanted: CatalogueFilter) -> bool:
    """Test whether the game matches the filter."""
    price = Decimal(game.price)
    return (
        (wanted.price_from is None or price >= wanted.price_from)
        and (wanted.price_to is None or price <= wanted.price_to)
        and (wanted.price_below is None or price < wanted.price_below)
        and not (wanted.in_stock_only and {"sold", "preorder"} & set(game.flags.split(",")))
        and (not wanted.platforms or place % 3 == 0)
        and (not wanted.genres or bool(set(wanted.genres) & set(game.genres.split(","))))
        and (not wanted.publishers or game.publisher in wanted.publishers)
        and (wanted.multiplayer is None or wanted.multiplayer == (place % 2 == 0))
    )


def order_of(place: int, game: Row, sort: Sort, game_id: str) -> tuple[Decimal | int | str, ...]:
    """Return the sort key of the game."""
    rating = Decimal(-1 if game.rating is None else game.rating)
    return {
        Sort.POPULAR: (-rating, -game.day, game_id),
        Sort.NEWEST: (-game.day, game_id),
        Sort.PRICE_ASCENDING: (Decimal(game.price), game_id),
        Sort.PRICE_DESCENDING: (-Decimal(game.price), game_id),
        Sort.LATEST_ENTRY: (place,),
    }[sort]


class TestAnyPage:
    @pytest.mark.parametrize("sort", list(Sort))
    async def test_equals_a_search_through_all_games(
        self, stocked: Database, ids: dict[str, str], sort: Sort
    ):
        dice = Random(1)
        for _ in range(100):
            wanted, page, page_size = some_filter(dice), dice.randint(1, 3), dice.randint(1, 12)
            query = make_catalogue_query(wanted, sort=sort, page=page, page_size=page_size)

            found = await data_of(browse_catalogue(stocked, NO_CACHE, query, now=NOON))

            everything = sorted(
                (order_of(place, game, sort, ids[game.title]), game.title)
                for place, game in enumerate(CATALOGUE)
                if is_wanted(place, game, wanted)
            )
            begin = (page - 1) * page_size
            shown = [title for _, title in everything[begin : begin + page_size]]
            assert [game["title"] for game in found["data"]] == shown, wanted
            assert found["total"] == len(everything), wanted
