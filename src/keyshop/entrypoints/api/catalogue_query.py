"""The query of the catalogue: its parameters, and a cache of parsed queries."""

from typing import Annotated, Final, TypeAlias

from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter, SkipValidation
from msgspec import Struct

from keyshop.entrypoints.api.parameters import (
    PRESET_NAMES,
    Page,
    PageSize,
    PriceRange,
    clamp_page,
    clamp_page_size,
    parse_flag,
    parse_price_range,
    parse_search,
    parse_sort,
    split_values,
)
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.rules import DEFAULT_PAGE_SIZE

MAX_CACHED_QUERIES: Final = 1000
MAX_CACHED_LENGTH: Final = 200  # bytes of a query string

_SORTS: Final = ", ".join(sort for sort in Sort if sort)
_LIST: Final = "separated by commas. A game matches if it has any of them."

Search = Annotated[
    str | None, QueryParameter(description="Text in the title, publisher or description.")
]
MinPrice = Annotated[
    str | None,
    QueryParameter(
        name="minPrice", description="Lowest price, inclusive; ignored without maxPrice."
    ),
]
MaxPrice = Annotated[
    str | None,
    QueryParameter(
        name="maxPrice", description="Highest price, inclusive; ignored without minPrice."
    ),
]
PricePreset = Annotated[
    str | None,
    QueryParameter(
        name="pricePreset",
        description=f"One of {PRESET_NAMES}; overrides minPrice and maxPrice.",
    ),
]
InStockOnly = Annotated[
    str | None,
    QueryParameter(
        name="inStockOnly", description="Return only games in stock, unless the value is `false`."
    ),
]
Multiplayer = Annotated[
    bool | None, QueryParameter(description="Return only games with, or without, multiplayer.")
]
Platforms = Annotated[
    list[str] | None, QueryParameter(description=f"Names or slugs of platforms, {_LIST}")
]
Genres = Annotated[
    list[str] | None, QueryParameter(description=f"Names or slugs of genres, {_LIST}")
]
ActivationServices = Annotated[
    list[str] | None,
    QueryParameter(name="activationServices", description=f"Names of activation services, {_LIST}"),
]
Regions = Annotated[list[str] | None, QueryParameter(description=f"Names of regions, {_LIST}")]
Publishers = Annotated[
    list[str] | None, QueryParameter(description=f"Names of publishers, {_LIST}")
]
SortName = Annotated[
    str | None,
    QueryParameter(
        name="sort",
        description=f"One of {_SORTS}; any other value returns the latest entries first.",
    ),
]


class NameFilters(Struct, frozen=True, kw_only=True):
    """The filters whose values are names."""

    platforms: list[str]
    genres: list[str]
    activation_services: list[str]
    regions: list[str]
    publishers: list[str]


class Paging(Struct, frozen=True, kw_only=True):
    """The order of the games, and the page of them."""

    sort: Sort
    page: int
    page_size: int


class CatalogueQuery(Struct, frozen=True, kw_only=True):
    """A parsed query of the catalogue."""

    filter: CatalogueFilter
    paging: Paging


# Fourteen parameters are parsed in groups, each of which Litestar resolves as a dependency.
PriceRangeGroup: TypeAlias = SkipValidation[NamedDependency[PriceRange]]
NameFilterGroup: TypeAlias = SkipValidation[NamedDependency[NameFilters]]
FilterGroup: TypeAlias = SkipValidation[NamedDependency[CatalogueFilter]]
PagingGroup: TypeAlias = SkipValidation[NamedDependency[Paging]]


def price_range(
    min_price: MinPrice = None, max_price: MaxPrice = None, price_preset: PricePreset = None
) -> PriceRange:
    return parse_price_range(min_price=min_price, max_price=max_price, preset=price_preset)


def name_filters(
    platforms: Platforms = None,
    genres: Genres = None,
    activation_services: ActivationServices = None,
    regions: Regions = None,
    publishers: Publishers = None,
) -> NameFilters:
    return NameFilters(
        platforms=split_values(platforms),
        genres=split_values(genres),
        activation_services=split_values(activation_services),
        regions=split_values(regions),
        publishers=split_values(publishers),
    )


def catalogue_filter(
    price_range: PriceRangeGroup,
    name_filters: NameFilterGroup,
    search: Search = None,
    in_stock_only: InStockOnly = None,
    multiplayer: Multiplayer = None,
) -> CatalogueFilter:
    return CatalogueFilter(
        search=parse_search(search),
        price_from=price_range.start,
        price_to=price_range.end,
        price_below=price_range.below,
        in_stock_only=parse_flag(in_stock_only),
        platforms=name_filters.platforms,
        genres=name_filters.genres,
        activation_services=name_filters.activation_services,
        regions=name_filters.regions,
        publishers=name_filters.publishers,
        multiplayer=multiplayer,
    )


def paging(
    sort_name: SortName = None, page: Page = 1, page_size: PageSize = DEFAULT_PAGE_SIZE
) -> Paging:
    return Paging(
        sort=parse_sort(sort_name), page=clamp_page(page), page_size=clamp_page_size(page_size)
    )


QUERY_DEPENDENCIES: Final = {
    "price_range": Provide(price_range, sync_to_thread=False),
    "name_filters": Provide(name_filters, sync_to_thread=False),
    "catalogue_filter": Provide(catalogue_filter, sync_to_thread=False),
    "paging": Provide(paging, sync_to_thread=False),
}


class ParsedQueryCache:
    """Valid query strings of recent requests, and what they were parsed to."""

    def __init__(self) -> None:
        self._queries: dict[bytes, CatalogueQuery] = {}

    def find(self, query_string: bytes) -> CatalogueQuery | None:
        return self._queries.get(query_string)

    def put(self, query_string: bytes, query: CatalogueQuery) -> None:
        """Keep the query, within limits: a client can invent any number of query strings."""
        if len(query_string) > MAX_CACHED_LENGTH:
            return
        if len(self._queries) >= MAX_CACHED_QUERIES:
            self._queries.clear()
        self._queries[query_string] = query
