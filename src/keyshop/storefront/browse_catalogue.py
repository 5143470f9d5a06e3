"""Browse the catalogue by filters, in an order, page by page."""

from datetime import datetime

import msgspec

from keyshop.cache_keys import CATALOG_PAGE
from keyshop.kit.cache.families import CacheKey, digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_with_etag
from keyshop.storefront import browse_queries, queries
from keyshop.storefront.models import CatalogueQuery, Game, GamePage
from keyshop.storefront.rules import is_cacheable, page_count, valid_until


async def browse_catalogue(
    db: Database, cache: Cache, query: CatalogueQuery, *, now: datetime
) -> bytes:
    """Return one page of the matching games; a page after the last one is empty."""

    async def load() -> Loaded:
        async with db.read() as reader:
            total, ids = await browse_queries.read_page(reader, query)
            if not total:
                return Loaded(None)
            games = await queries.list_games(reader, ids=ids, now=now)
        return Loaded(encode_with_etag(_build_page(query, games, total)), valid_until(games))

    page = await cache.read(_find_key(query), load, now=now)
    return page or encode_with_etag(_build_page(query, [], 0))


def _build_page(query: CatalogueQuery, games: list[Game], total: int) -> GamePage:
    pages = page_count(total, query.page_size)
    return GamePage(games, total, query.page, query.page_size, pages)


def _find_key(query: CatalogueQuery) -> CacheKey | None:
    """Return the cache key of the page, the same for all spellings of a name."""
    if not is_cacheable(query):
        return None
    names = (
        [name.lower() for name in query.filters.genres],
        [name.lower() for name in query.filters.platforms],
    )
    # The order of these values is part of the key.
    parts = msgspec.json.encode((query.sort, query.page, query.filters.in_stock_only, names))
    return CATALOG_PAGE.find_key(digest=digest(parts.decode()))
