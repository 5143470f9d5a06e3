"""The catalogue: filters, orders and pages."""

from datetime import datetime

from keyshop.kit.database import Database
from keyshop.storefront import browse_queries, queries
from keyshop.storefront.answer import answer
from keyshop.storefront.models import CatalogueFilter, GamePage, Sort
from keyshop.storefront.rules import page_count


async def browse_catalogue(
    db: Database, wanted: CatalogueFilter, *, sort: Sort, page: int, page_size: int, now: datetime
) -> bytes:
    """Return one page of what matches; a page behind the last one is empty."""
    async with db.read() as reader:
        total, ids = await browse_queries.find_page(
            reader, wanted, sort=sort, limit=page_size, offset=(page - 1) * page_size
        )
        games = await queries.list_games(reader, ids=ids, now=now)
    return answer(
        GamePage(
            data=games,
            total=total,
            page=page,
            page_size=page_size,
            total_pages=page_count(total, page_size),
        )
    )
