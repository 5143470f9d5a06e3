"""The start page at /: what runs here, and where to go next."""

from typing import Final

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler

from keyshop.entrypoints.api.pages.render import render

_PLACES: Final = [
    ("/docs", "API documentation"),
    ("/openapi.json", "OpenAPI document"),
    ("/health", "health checks"),
    ("/metrics", "metrics for Prometheus"),
]
_EXAMPLES: Final = [
    ("/api/games?inStockOnly=true&sort=popular&page=1&pageSize=36", "catalogue"),
    ("/api/games/best-sellers", "best sellers"),
    ("/api/games/new-in-catalog", "new games"),
    ("/api/games/preorders", "pre-orders"),
    ("/api/games/search?q=the", "search"),
    ("/api/games/autocomplete?q=the", "search suggestions"),
    ("/api/games/random?count=5", "five random games"),
    ("/api/games/filter-options", "filter values"),
    ("/api/games/collections", "collections"),
]


def start_page_handler(simulator_url: str | None) -> HTTPRouteHandler:
    """Return the handler of /; it links the simulated supplier if there is one."""
    places = [*_PLACES]
    if simulator_url is not None:
        places.append((simulator_url, "simulated supplier: catalogue, wallet and orders"))
    page = render("start.html", places=places, examples=_EXAMPLES)

    @get("/", media_type=MediaType.HTML, include_in_schema=False)
    async def start_page() -> str:
        return page

    return start_page
