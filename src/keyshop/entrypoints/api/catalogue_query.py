"""The query of the catalogue: its parameters, and a cache of parsed queries."""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter, SkipValidation
from msgspec import Struct

from keyshop.entrypoints.api.parameters import (
    PRESET_NAMES,
    Page,
    PageSize,
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


class CatalogueQuery(Struct, frozen=True, kw_only=True):
    """A parsed query of the catalogue."""

    filter: CatalogueFilter
    sort: Sort
    page: int
    page_size: int


def _text(description: str, name: str | None = None) -> QueryParameter:
    return QueryParameter(name=name, description=description)


def _names(kind: str, name: str | None = None) -> QueryParameter:
    description = f"{kind}, separated by commas. A game matches if it has any of them."
    return QueryParameter(name=name, description=description)


@dataclass(frozen=True, kw_only=True)
class CatalogueParameters:
    """The query parameters of the catalogue, as Litestar validates them."""

    search: Annotated[str | None, _text("Text in the title, publisher or description.")] = None
    min_price: Annotated[
        str | None, _text("Lowest price, inclusive; ignored without maxPrice.", "minPrice")
    ] = None
    max_price: Annotated[
        str | None, _text("Highest price, inclusive; ignored without minPrice.", "maxPrice")
    ] = None
    price_preset: Annotated[
        str | None,
        _text(f"One of {PRESET_NAMES}; overrides minPrice and maxPrice.", "pricePreset"),
    ] = None
    in_stock_only: Annotated[
        str | None,
        _text("Return only games in stock, unless the value is `false`.", "inStockOnly"),
    ] = None
    platforms: Annotated[list[str] | None, _names("Names or slugs of platforms")] = None
    genres: Annotated[list[str] | None, _names("Names or slugs of genres")] = None
    activation_services: Annotated[
        list[str] | None, _names("Names of activation services", "activationServices")
    ] = None
    regions: Annotated[list[str] | None, _names("Names of regions")] = None
    publishers: Annotated[list[str] | None, _names("Names of publishers")] = None
    multiplayer: Annotated[
        bool | None,
        QueryParameter(description="Return only games with, or without, multiplayer."),
    ] = None
    sort: Annotated[
        str | None, _text(f"One of {_SORTS}; any other value returns the latest entries first.")
    ] = None
    page: Page = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE

    def parse(self) -> CatalogueQuery:
        """
        Return the query.

        Raises:
            BadParameter: a parameter has an invalid value.
        """
        return CatalogueQuery(
            filter=self._parse_filter(),
            sort=parse_sort(self.sort),
            page=clamp_page(self.page),
            page_size=clamp_page_size(self.page_size),
        )

    def _parse_filter(self) -> CatalogueFilter:
        prices = parse_price_range(
            min_price=self.min_price, max_price=self.max_price, preset=self.price_preset
        )
        return CatalogueFilter(
            search=parse_search(self.search),
            price_from=prices.start,
            price_to=prices.end,
            price_below=prices.below,
            in_stock_only=parse_flag(self.in_stock_only),
            platforms=split_values(self.platforms),
            genres=split_values(self.genres),
            activation_services=split_values(self.activation_services),
            regions=split_values(self.regions),
            publishers=split_values(self.publishers),
            multiplayer=self.multiplayer,
        )


# One dependency: Litestar resolves several in tasks of their own, which cost more than the parsing.
CurrentParameters: TypeAlias = SkipValidation[NamedDependency[CatalogueParameters]]
PARAMETERS_DEPENDENCY: Final = {"parameters": Provide(CatalogueParameters, sync_to_thread=False)}


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
