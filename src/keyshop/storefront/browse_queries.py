"""
The catalogue's SQL: one statement made of fixed pieces.

Every piece is a constant of this file; what a visitor sent goes into the statement's arguments.
"""

from typing import Final

from keyshop.kit.database import Reader
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.queries import POPULAR

_ORDERS: Final = {
    Sort.POPULAR: POPULAR,
    Sort.NEWEST: "released DESC, game_id",
    Sort.PRICE_ASCENDING: "price, game_id",
    Sort.PRICE_DESCENDING: "price DESC, game_id",
    Sort.LATEST_ENTRY: "created DESC, game_id",
}

# Counting and choosing the page read the same rows, hence one statement; `matched` holds only what
# the order needs.
_PAGE: Final = """
    WITH matched AS (
        SELECT game_id, rating, released, price, created FROM keyshop.game_facets WHERE {where}
    )
    SELECT (SELECT count(*) FROM matched) AS total,
        ARRAY(SELECT game_id FROM matched ORDER BY {order} LIMIT $1 OFFSET $2) AS ids
"""

_SEARCHED: Final = """
    (keyshop.name_grams(names) @> keyshop.sought_grams(lower({0}))
        AND position(CASE length({0}) WHEN 1 THEN ' ' || lower({0}) ELSE lower({0}) END IN names) > 0
    OR game_id = ANY(ARRAY(
        SELECT game_id FROM keyshop.game_words WHERE words @@ plainto_tsquery('simple', {0})
    )))
"""

_PLATFORM_LINKS: Final = """
    links && ARRAY(
        SELECT hashtextextended(id, 0) FROM platforms
        WHERE lower(slug) = ANY({0}::text[]) OR lower(name) = ANY({0}::text[])
    )
"""

_GENRE_LINKS: Final = _PLATFORM_LINKS.replace("platforms", "genres")


async def find_page(
    reader: Reader, wanted: CatalogueFilter, *, sort: Sort, limit: int, offset: int
) -> tuple[int, list[str]]:
    """Return how many games match, and the ids of those on the page."""
    statement, args = page_statement(wanted, sort)
    record = await reader.fetchrow(statement, limit, offset, *args)
    if record is None:
        return 0, []
    return record["total"], record["ids"]


def page_statement(wanted: CatalogueFilter, sort: Sort) -> tuple[str, list[object]]:
    """Return the statement for the filter and its arguments from the third on."""
    conditions = ["in_stock AND NOT is_preorder"] if wanted.in_stock_only else []
    args: list[object] = []
    for condition, value in _conditions(wanted):
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args) + 2}"))
    where = " AND ".join(conditions) or "true"
    return _PAGE.format(where=where, order=_ORDERS[sort]), args


def _conditions(wanted: CatalogueFilter) -> list[tuple[str, object]]:
    return [
        (_SEARCHED, wanted.search),
        ("price >= {}", wanted.price_from),
        ("price <= {}", wanted.price_to),
        ("price < {}", wanted.price_below),
        (_PLATFORM_LINKS, _lower(wanted.platforms)),
        (_GENRE_LINKS, _lower(wanted.genres)),
        ("activation_service = ANY({}::text[])", wanted.activation_services or None),
        ("region = ANY({}::text[])", wanted.regions or None),
        ("publisher = ANY({}::text[])", wanted.publishers or None),
        ("multiplayer = {}", wanted.multiplayer),
    ]


def _lower(names: list[str]) -> list[str] | None:
    return [name.lower() for name in names] or None
