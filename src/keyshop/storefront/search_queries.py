"""The SQL that finds games by a text."""
# ruff: noqa: S608 - statements are assembled from constants alone

from typing import Final

from asyncpg import Record

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.queries import HAS_PRICE, POPULAR

# A scalar sub-select without a table is evaluated once, not for every row. The wildcards of LIKE are
# escaped.
_ESCAPED_TERM: Final = r"(SELECT regexp_replace(lower($1), '([\\%_])', '\\\1', 'g'))"
_PATTERN: Final = f"CASE length($1) WHEN 1 THEN ' ' ELSE '' END || {_ESCAPED_TERM}"
NGRAMS: Final = "(SELECT keyshop.search_ngrams(lower($1)))"

# Names begin with a space. A single letter matches only at the beginning of a word.
IN_NAMES: Final = f"names LIKE (SELECT '%' || {_PATTERN} || '%')"

# In `names`, the title ends at the only line break.
_IN_TITLE: Final = f"names LIKE (SELECT '%' || {_PATTERN} || E'%\\n%')"
_BEGINS_TITLE: Final = f"names LIKE (SELECT ' ' || {_ESCAPED_TERM} || '%')"
_IS_TITLE: Final = f"names LIKE (SELECT ' ' || {_ESCAPED_TERM} || E'\\n%')"

# The index finds names with the right n-grams; LIKE finds those that have them in a row.
_NGRAM_MATCH: Final = f"keyshop.name_ngrams(names) @> {NGRAMS}"

# A word in more descriptions than this says little about a game. Only so many of its matches are read,
# in no particular order.
_MAX_DESCRIPTION_MATCHES: Final = 5_000

DESCRIPTION_MATCHES: Final = f"""
    SELECT game_id FROM keyshop.game_description_terms
    WHERE terms @@ (SELECT plainto_tsquery('simple', $1)) LIMIT {_MAX_DESCRIPTION_MATCHES}
"""

# Matches in names come first; descriptions are searched only when names leave room.
_SEARCH: Final = f"""
    (SELECT game_id FROM keyshop.game_facets WHERE in_stock AND {_NGRAM_MATCH} AND {IN_NAMES}
     ORDER BY {POPULAR} LIMIT $2)
    UNION ALL
    (SELECT game_id FROM keyshop.game_facets
     WHERE in_stock AND game_id = ANY(ARRAY({DESCRIPTION_MATCHES})) AND NOT {IN_NAMES}
     ORDER BY {POPULAR} LIMIT $2)
    LIMIT $2
"""

# The tiers of `rules.relevance` in its order; in a tier, best sellers first, then new games.
_SUGGESTIONS: Final = f"""
    WITH found AS (
        (SELECT game_id FROM keyshop.game_facets
         WHERE in_stock AND {_NGRAM_MATCH} AND {_IN_TITLE}
         ORDER BY {_IS_TITLE} DESC, {_BEGINS_TITLE} DESC,
            is_best_seller DESC, is_marked_new DESC, {POPULAR}
         LIMIT $2)
        UNION ALL
        (SELECT game_id FROM keyshop.game_facets
         WHERE in_stock AND game_id = ANY(ARRAY({DESCRIPTION_MATCHES})) AND NOT {_IN_TITLE}
         ORDER BY is_best_seller DESC, is_marked_new DESC, {POPULAR}
         LIMIT $2)
        LIMIT $2
    )
    SELECT g.id, g.title, g.image, g.slug, g."isBestSeller", g."isNew"
    FROM unnest(ARRAY(SELECT game_id FROM found)) WITH ORDINALITY AS wanted (id, place)
    JOIN games AS g ON g.id = wanted.id AND g.{HAS_PRICE}
    ORDER BY wanted.place
"""


async def search(reader: Reader, *, term: str, limit: int) -> list[str]:
    """Return the games in stock whose title, publisher or description contains the term."""
    return [record[0] for record in await reader.fetch(_SEARCH, term, limit)]


async def suggest(reader: Reader, *, term: str, limit: int) -> list[Record]:
    """Return the games in stock that match the term, the most relevant first."""
    return await reader.fetch(_SUGGESTIONS, term, limit)
