"""
The SQL of the catalogue: one statement, assembled from constants.

What a visitor sends is only ever an argument of the statement, never a part of its text.
"""
# ruff: noqa: S608 - statements are assembled from constants alone

from typing import Final

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.models import CatalogueFilter, CatalogueQuery, Sort
from keyshop.storefront.queries import HAS_PRICE, POPULAR, POPULAR_GAMES
from keyshop.storefront.search_queries import DESCRIPTION_MATCHES, IN_NAMES, NGRAMS

# The columns that a sort order needs, and its ORDER BY clause.
_SORT_ORDERS: Final = {
    Sort.POPULAR: ("rating, released", POPULAR),
    Sort.NEWEST: ("released", "released DESC, game_id"),
    Sort.PRICE_ASCENDING: ("price", "price, game_id"),
    Sort.PRICE_DESCENDING: ("price", "price DESC, game_id"),
    Sort.LATEST_ENTRY: ("created", "created DESC, game_id"),
}

# The count and the page read the same rows. PostgreSQL materialises a CTE that is referenced twice, so
# the CTE has only the columns that the sort order needs.
_PAGE: Final = """
    WITH matched AS (SELECT game_id, {columns} FROM keyshop.game_facets WHERE {where})
    SELECT (SELECT count(*) FROM matched) AS total,
        ARRAY(SELECT game_id FROM matched ORDER BY {order} LIMIT $1 OFFSET $2) AS ids
"""

# The pages that most visits begin with. Indexes have their orders, so nothing is sorted. The few games
# without a price are excluded by id: their price is in no index, and reading it would mean reading
# every row that a late page skips.
_PAGE_IN_STOCK: Final = f"""
    WITH counted AS (
        SELECT count(*) FILTER (WHERE {HAS_PRICE}) AS total,
            coalesce(array_agg(game_id) FILTER (WHERE NOT {HAS_PRICE}), '{{{{}}}}') AS unpriced
        FROM keyshop.game_facets WHERE in_stock AND NOT is_preorder
    )
    SELECT total, ARRAY(
        SELECT {{rows}} <> ALL((SELECT unpriced FROM counted)::text[])
        ORDER BY {{order}} LIMIT $1 OFFSET $2
    ) AS ids
    FROM counted
"""
_GAMES: Final = 'id FROM games WHERE "inStock" AND NOT "isPreorder" AND id'
_FACETS: Final = "game_id FROM keyshop.game_facets WHERE in_stock AND NOT is_preorder AND game_id"
_INDEXED_ORDERS: Final = {
    Sort.POPULAR: (_GAMES, POPULAR_GAMES),
    Sort.NEWEST: (_GAMES, '"releaseDate" DESC, id'),
    Sort.PRICE_ASCENDING: (_GAMES, "price, id"),
    Sort.PRICE_DESCENDING: (_GAMES, "price DESC, id"),
    Sort.LATEST_ENTRY: (_FACETS, "created DESC, game_id"),
}
# Beyond this offset, skipping rows costs more than sorting the narrow ones of game_facets. The index
# for `popular` covers its whole order, so skipping reads no rows.
_MAX_INDEXED_OFFSET: Final = 5000

# The first condition uses the index and may match too much; the second one is exact.
_SEARCHED: Final = f"""
    (keyshop.name_ngrams(names) @> {NGRAMS} OR game_id = ANY(ARRAY({DESCRIPTION_MATCHES})))
    AND ({IN_NAMES} OR game_id IN ({DESCRIPTION_MATCHES}))
""".replace("$1", "$n")

_PLATFORM_LINKS: Final = """
    links && ARRAY(
        SELECT hashtextextended(id, 0) FROM platforms
        WHERE lower(slug) = ANY($n::text[]) OR lower(name) = ANY($n::text[])
    )
"""

_GENRE_LINKS: Final = _PLATFORM_LINKS.replace("platforms", "genres")


async def read_page(reader: Reader, query: CatalogueQuery) -> tuple[int, list[str]]:
    """Return how many games match, and the ids of those on the page."""
    offset = (query.page - 1) * query.page_size
    statement, args = page_statement(query.filters, query.sort, offset=offset)
    record = await reader.fetchrow(statement, query.page_size, offset, *args)
    if record is None:
        return 0, []
    return record["total"], record["ids"]


def page_statement(
    filters: CatalogueFilter, sort: Sort, *, offset: int = 0
) -> tuple[str, list[object]]:
    """Return the statement, and its arguments after limit and offset."""
    if filters == CatalogueFilter(in_stock_only=True) and _has_index(sort, offset):
        rows, order = _INDEXED_ORDERS[sort]
        return _PAGE_IN_STOCK.format(rows=rows, order=order), []
    conditions = [HAS_PRICE]
    if filters.in_stock_only:
        conditions.append("in_stock AND NOT is_preorder")
    args: list[object] = []
    for condition, value in _conditions(filters):
        if value is not None:
            args.append(value)
            conditions.append(condition.replace("$n", f"${len(args) + 2}"))
    columns, order = _SORT_ORDERS[sort]
    return _PAGE.format(columns=columns, where=" AND ".join(conditions), order=order), args


def _has_index(sort: Sort, offset: int) -> bool:
    return sort is Sort.POPULAR or offset <= _MAX_INDEXED_OFFSET


def _conditions(filters: CatalogueFilter) -> list[tuple[str, object]]:
    return [
        (_SEARCHED, filters.search),
        ("price >= $n", filters.price_from),
        ("price <= $n", filters.price_to),
        ("price < $n", filters.price_below),
        (_PLATFORM_LINKS, _lower(filters.platforms)),
        (_GENRE_LINKS, _lower(filters.genres)),
        ("activation_service = ANY($n::text[])", filters.activation_services or None),
        ("region = ANY($n::text[])", filters.regions or None),
        ("publisher = ANY($n::text[])", filters.publishers or None),
        ("multiplayer = $n", filters.multiplayer),
    ]


def _lower(names: list[str]) -> list[str] | None:
    return [name.lower() for name in names] or None
