"""Pages of the catalogue at /api/games."""

from typing import Annotated, Final

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from keyshop.entrypoints.api.parameters import (
    Option,
    Page,
    PageSize,
    Values,
    clamp_page,
    clamp_page_size,
    read_flag,
    read_prices,
    read_search,
    read_sort,
    split_values,
)
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.errors import ApiRequest, described
from keyshop.entrypoints.http.responses import Ready
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.models import CatalogueFilter, GamePage, Sort
from keyshop.storefront.rules import DEFAULT_PAGE_SIZE

MAX_KNOWN_VALUES: Final = 1000
MAX_KNOWN_LENGTH: Final = 200  # bytes of a query


class Asked(Struct, frozen=True, kw_only=True):
    """Which page is meant."""

    wanted: CatalogueFilter
    sort: Sort
    page: int
    page_size: int


class KnownQueries:
    """What queries mean that were good when somebody asked them lately."""

    def __init__(self) -> None:
        self._known: dict[bytes, Asked] = {}

    def find(self, query: bytes) -> Asked | None:
        """Return what the query means, if that is known."""
        return self._known.get(query)

    def keep(self, query: bytes, asked: Asked) -> None:
        """Remember it, within limits: anybody can make up queries."""
        if len(query) > MAX_KNOWN_LENGTH:
            return
        if len(self._known) >= MAX_KNOWN_VALUES:
            self._known.clear()
        self._known[query] = asked


def browse_handler(shop: ApiShop) -> HTTPRouteHandler:
    """Return the handler of /api/games."""
    known = KnownQueries()

    async def show(asked: Asked) -> Ready:
        return Ready(
            await browse_catalogue(
                shop.db,
                shop.cache,
                asked.wanted,
                sort=asked.sort,
                page=asked.page,
                page_size=asked.page_size,
                now=utc_now(),
            )
        )

    # To make sense of fourteen parameters costs half as much as all the rest of a kept answer.
    async def answer_known(request: ApiRequest) -> Ready | None:
        asked = known.find(request.scope["query_string"])
        return None if asked is None else await show(asked)

    @get(
        "/api/games",
        tags=["Games"],
        before_request=answer_known,
        responses=described(Envelope[GamePage]),
        media_type=MediaType.JSON,
    )
    async def browse(
        request: ApiRequest,
        search: Option = None,
        min_price: Annotated[str | None, QueryParameter(name="minPrice")] = None,
        max_price: Annotated[str | None, QueryParameter(name="maxPrice")] = None,
        price_preset: Annotated[str | None, QueryParameter(name="pricePreset")] = None,
        in_stock_only: Annotated[str | None, QueryParameter(name="inStockOnly")] = None,
        platforms: Values = None,
        genres: Values = None,
        activation_services: Annotated[
            list[str] | None, QueryParameter(name="activationServices")
        ] = None,
        regions: Values = None,
        publishers: Values = None,
        multiplayer: FromQuery[bool | None] = None,
        sort: Option = None,
        page: Page = 1,
        page_size: PageSize = DEFAULT_PAGE_SIZE,
    ) -> Ready:
        """The catalogue: any of the values of a filter, and all of the filters."""
        wanted = CatalogueFilter(
            search=read_search(search),
            in_stock_only=read_flag(in_stock_only),
            platforms=split_values(platforms),
            genres=split_values(genres),
            activation_services=split_values(activation_services),
            regions=split_values(regions),
            publishers=split_values(publishers),
            multiplayer=multiplayer,
        )
        asked = Asked(
            wanted=read_prices(wanted, lowest=min_price, highest=max_price, preset=price_preset),
            sort=read_sort(sort),
            page=clamp_page(page),
            page_size=clamp_page_size(page_size),
        )
        known.keep(request.scope["query_string"], asked)
        return await show(asked)

    return browse
