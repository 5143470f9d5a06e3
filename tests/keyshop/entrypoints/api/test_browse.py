"""Queries of the catalogue mean the same whenever they are asked."""

import pytest
from httpx2 import AsyncClient

from keyshop.entrypoints.api.browse import MAX_KNOWN_LENGTH, MAX_KNOWN_VALUES, KnownQueries
from keyshop.storefront.models import CatalogueFilter, CatalogueQuery, Sort

QUERIES = [
    "",
    "?",
    "?sort=popular",
    "?sort=price-asc&page=2&pageSize=5",
    "?page=2&pageSize=5&sort=price-asc",
    "?genres=noir&genres=racing&sort=newest",
    "?genres=noir,racing&sort=newest",
    "?search=iron&inStockOnly=true",
    "?multiplayer=true",
    "?multiplayer=false",
    "?minPrice=10&maxPrice=25",
    "?pricePreset=10-25&minPrice=1",
    "?publishers=Foo%2C+Inc.",
    "?unheard=of",
    "?page=0",
    "?pageSize=many",
    "?minPrice=a&maxPrice=b",
]


def page(number: int) -> CatalogueQuery:
    return CatalogueQuery(filters=CatalogueFilter(), sort=Sort.POPULAR, page=number, page_size=36)


class TestQueryThatWasAskedBefore:
    async def test_is_answered_as_at_first(self, client: AsyncClient):
        first = [await client.get(f"/api/games{query}") for query in QUERIES]

        again = [await client.get(f"/api/games{query}") for query in reversed(QUERIES)]

        for once, twice in zip(first, reversed(again), strict=True):
            assert (twice.status_code, twice.content) == (once.status_code, once.content)
        assert {response.status_code for response in first} == {200, 400}


class TestKnownQueries:
    def test_are_found_by_every_letter_of_the_query(self):
        known = KnownQueries()

        known.keep(b"page=1", page(1))

        assert known.find(b"page=1") == page(1)
        assert known.find(b"page=1&") is None
        assert known.find(b"Page=1") is None

    @pytest.mark.parametrize("asked", [1, MAX_KNOWN_VALUES, 5 * MAX_KNOWN_VALUES])
    def test_are_never_more_than_so_many(self, asked: int):
        known = KnownQueries()

        for number in range(asked):
            known.keep(b"%d" % number, page(number))

        found = [number for number in range(asked) if known.find(b"%d" % number) is not None]
        assert 1 <= len(found) <= MAX_KNOWN_VALUES
        assert found[-1] == asked - 1

    def test_are_none_that_nobody_would_send_twice(self):
        known = KnownQueries()

        known.keep(b"x" * MAX_KNOWN_LENGTH, page(1))
        known.keep(b"x" * (MAX_KNOWN_LENGTH + 1), page(2))

        assert known.find(b"x" * MAX_KNOWN_LENGTH) == page(1)
        assert known.find(b"x" * (MAX_KNOWN_LENGTH + 1)) is None
