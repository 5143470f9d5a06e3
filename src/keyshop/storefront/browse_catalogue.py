"""The catalogue: filters, orders and pages."""

from datetime import datetime

import msgspec

from keyshop.cache_keys import CATALOG_PAGE
from keyshop.kit.cache.families import CacheKey, digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data
from keyshop.storefront import browse_queries, queries
from keyshop.storefront.models import CatalogueFilter, GamePage, Sort
from keyshop.storefront.rules import is_cacheable, page_count, true_until


async def browse_catalogue(
    db: Database,
    cache: Cache,
    wanted: CatalogueFilter,
    *,
    sort: Sort,
    page: int,
    page_size: int,
    now: datetime,
) -> bytes:
    """Return one page of what matches; a page behind the last one is empty."""

    async def load() -> Loaded:
        async with db.read() as reader:
            total, ids = await browse_queries.find_page(
                reader, wanted, sort=sort, limit=page_size, offset=(page - 1) * page_size
            )
            if not total:
                return Loaded(None)
            games = await queries.list_games(reader, ids=ids, now=now)
        found = GamePage(games, total, page, page_size, page_count(total, page_size))
        return Loaded(encode_data(found), true_until(games))

    key = _find_key(wanted, sort=sort, page=page, page_size=page_size)
    shown = await cache.read(key, load, now=now)
    # Nothing at all matches.
    return shown or encode_data(GamePage([], 0, page, page_size, 0))


def _find_key(wanted: CatalogueFilter, *, sort: Sort, page: int, page_size: int) -> CacheKey | None:
    """Return the key under which the page is kept, one for all spellings of a name."""
    if not is_cacheable(wanted, page=page, page_size=page_size):
        return None
    names = (
        [name.lower() for name in wanted.genres],
        [name.lower() for name in wanted.platforms],
    )
    asked = msgspec.json.encode((sort, page, wanted.in_stock_only, names))
    return CATALOG_PAGE.find_key(digest=digest(asked.decode()))
