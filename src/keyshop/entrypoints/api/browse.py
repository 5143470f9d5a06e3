"""The catalogue at /api/games."""

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler

from keyshop.entrypoints.api.catalogue_query import (
    PARAMETERS_DEPENDENCY,
    CurrentParameters,
    ParsedQueryCache,
)
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.openapi import documented_public_responses
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.entrypoints.http.responses import PublicJson
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.models import CatalogueQuery, GamePage


def browse_handler(shop: ApiShop) -> HTTPRouteHandler:
    parsed_queries = ParsedQueryCache()

    # Parsing fourteen parameters costs half as much as the rest of a cached response.
    async def respond_to_parsed_query(request: ApiRequest) -> PublicJson | None:
        query = parsed_queries.find(request.scope["query_string"])
        return None if query is None else await _respond(shop, query)

    @get(
        "/api/games",
        tags=["Games"],
        before_request=respond_to_parsed_query,
        dependencies=PARAMETERS_DEPENDENCY,
        responses=documented_public_responses(Envelope[GamePage]),
        media_type=MediaType.JSON,
    )
    async def browse(request: ApiRequest, parameters: CurrentParameters) -> PublicJson:
        """List a page of the games that match every filter."""
        query = parameters.parse()
        parsed_queries.put(request.scope["query_string"], query)
        return await _respond(shop, query)

    return browse


async def _respond(shop: ApiShop, query: CatalogueQuery) -> PublicJson:
    return PublicJson(await browse_catalogue(shop.db, shop.cache, query, now=utc_now()))
