"""
The catalogue's SQL: one statement made of fixed pieces.

Every piece is a constant of this file; what a visitor sent goes into the statement's arguments.
"""

from typing import Final

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.queries import POPULAR, POPULAR_GAMES
from keyshop.storefront.search_queries import DESCRIBED, GRAMS, IN_NAMES

# The columns that an order looks at, and the order.
_ORDERS: Final = {
    Sort.POPULAR: ("rating, released", POPULAR),
    Sort.NEWEST: ("released", "released DESC, game_id"),
    Sort.PRICE_ASCENDING: ("price", "price, game_id"),
    Sort.PRICE_DESCENDING: ("price", "price DESC, game_id"),
    Sort.LATEST_ENTRY: ("created", "created DESC, game_id"),
}

# Counting and choosing look at the same rows. PostgreSQL reads what is named twice only once and
# keeps it meanwhile, so it gets no column that the order does not look at; what is named once it
# does not keep.
_PAGE: Final = """
    WITH matched AS (SELECT game_id, {columns} FROM keyshop.game_facets WHERE {where})
    SELECT (SELECT count(*) FROM {counted}) AS total,
        ARRAY(SELECT game_id FROM matched ORDER BY {order} LIMIT $1 OFFSET $2) AS ids
"""

# The pages that visits begin with. Their orders are indexes of games, so that nothing is sorted.
_PAGE_IN_STOCK: Final = """
    SELECT (SELECT count(*) FROM keyshop.game_facets WHERE in_stock AND NOT is_preorder) AS total,
        ARRAY(
            SELECT id FROM games WHERE "inStock" AND NOT "isPreorder"
            ORDER BY {order} LIMIT $1 OFFSET $2
        ) AS ids
"""
_GAMES_ORDERS: Final = {
    Sort.POPULAR: POPULAR_GAMES,
    Sort.NEWEST: '"releaseDate" DESC, id',
    Sort.PRICE_ASCENDING: "price, id",
    Sort.PRICE_DESCENDING: "price DESC, id",
}
# Farther on, reading the wide rows on the way costs more than sorting the narrow ones; the order
# of `popular` is in its index whole, and needs no rows on the way.
_NEAR: Final = 5000

# The first line is the index's, the second one decides.
_SEARCHED: Final = f"""
    (keyshop.name_ngrams(names) @> {GRAMS} OR game_id = ANY(ARRAY({DESCRIBED})))
    AND ({IN_NAMES} OR game_id IN ({DESCRIBED}))
""".replace("$1", "$n")

_PLATFORM_LINKS: Final = """
    links && ARRAY(
        SELECT hashtextextended(id, 0) FROM platforms
        WHERE lower(slug) = ANY($n::text[]) OR lower(name) = ANY($n::text[])
    )
"""

_GENRE_LINKS: Final = _PLATFORM_LINKS.replace("platforms", "genres")


async def find_page(
    reader: Reader, wanted: CatalogueFilter, *, sort: Sort, limit: int, offset: int
) -> tuple[int, list[str]]:
    """Return how many games match, and the ids of those on the page."""
    statement, args = page_statement(wanted, sort, offset=offset)
    record = await reader.fetchrow(statement, limit, offset, *args)
    if record is None:
        return 0, []
    return record["total"], record["ids"]


def page_statement(
    wanted: CatalogueFilter, sort: Sort, *, offset: int = 0
) -> tuple[str, list[object]]:
    """Return the statement for the filter and its arguments from the third on."""
    is_near = sort is Sort.POPULAR or offset <= _NEAR
    if is_near and sort in _GAMES_ORDERS and wanted == CatalogueFilter(in_stock_only=True):
        return _PAGE_IN_STOCK.format(order=_GAMES_ORDERS[sort]), []
    conditions = ["in_stock AND NOT is_preorder"] if wanted.in_stock_only else []
    args: list[object] = []
    for condition, value in _conditions(wanted):
        if value is not None:
            args.append(value)
            conditions.append(condition.replace("$n", f"${len(args) + 2}"))
    where = " AND ".join(conditions) or "true"
    # All games are counted without a look at any.
    counted = "matched" if conditions else "keyshop.game_facets"
    columns, order = _ORDERS[sort]
    return _PAGE.format(columns=columns, where=where, counted=counted, order=order), args


def _conditions(wanted: CatalogueFilter) -> list[tuple[str, object]]:
    return [
        (_SEARCHED, wanted.search),
        ("price >= $n", wanted.price_from),
        ("price <= $n", wanted.price_to),
        ("price < $n", wanted.price_below),
        (_PLATFORM_LINKS, _lower(wanted.platforms)),
        (_GENRE_LINKS, _lower(wanted.genres)),
        ("activation_service = ANY($n::text[])", wanted.activation_services or None),
        ("region = ANY($n::text[])", wanted.regions or None),
        ("publisher = ANY($n::text[])", wanted.publishers or None),
        ("multiplayer = $n", wanted.multiplayer),
    ]


def _lower(names: list[str]) -> list[str] | None:
    return [name.lower() for name in names] or None
