"""A catalogue query returns the same whether it is parsed or found in the cache of parsed queries."""

import pytest
from httpx2 import AsyncClient

from keyshop.entrypoints.api.catalogue_query import (
    MAX_CACHED_LENGTH,
    MAX_CACHED_QUERIES,
    ParsedQueryCache,
)
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


class TestRepeatedQuery:
    async def test_returns_the_same_response(self, client: AsyncClient):
        first = [await client.get(f"/api/games{query}") for query in QUERIES]

        again = [await client.get(f"/api/games{query}") for query in reversed(QUERIES)]

        for once, twice in zip(first, reversed(again), strict=True):
            assert (twice.status_code, twice.content) == (once.status_code, once.content)
        assert {response.status_code for response in first} == {200, 400}


class TestParsedQueryCache:
    def test_finds_a_query_only_by_the_exact_query_string(self):
        cache = ParsedQueryCache()

        cache.put(b"page=1", page(1))

        assert cache.find(b"page=1") == page(1)
        assert cache.find(b"page=1&") is None
        assert cache.find(b"Page=1") is None

    @pytest.mark.parametrize("count", [1, MAX_CACHED_QUERIES, 5 * MAX_CACHED_QUERIES])
    def test_never_exceeds_its_maximum_size(self, count: int):
        cache = ParsedQueryCache()

        for number in range(count):
            cache.put(b"%d" % number, page(number))

        found = [number for number in range(count) if cache.find(b"%d" % number) is not None]
        assert 1 <= len(found) <= MAX_CACHED_QUERIES
        assert found[-1] == count - 1

    def test_ignores_long_query_strings(self):
        cache = ParsedQueryCache()

        cache.put(b"x" * MAX_CACHED_LENGTH, page(1))
        cache.put(b"x" * (MAX_CACHED_LENGTH + 1), page(2))

        assert cache.find(b"x" * MAX_CACHED_LENGTH) == page(1)
        assert cache.find(b"x" * (MAX_CACHED_LENGTH + 1)) is None
