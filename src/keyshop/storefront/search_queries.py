"""The SQL of finding games by what somebody types."""
# ruff: noqa: S608 - statements are put together from constants alone

from typing import Final

from asyncpg import Record

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.queries import POPULAR

# Sub-selects without a table are worked out once and not for every row. The signs that mean
# something to LIKE are made to mean themselves.
_TERM: Final = r"(SELECT regexp_replace(lower($1), '([\\%_])', '\\\1', 'g'))"
_PART: Final = f"CASE length($1) WHEN 1 THEN ' ' ELSE '' END || {_TERM}"
GRAMS: Final = "(SELECT keyshop.search_ngrams(lower($1)))"

# A name begins with a space; one letter stands for the beginning of a word.
IN_NAMES: Final = f"names LIKE (SELECT '%' || {_PART} || '%')"

# A title ends before the only line's end.
_IN_TITLE: Final = f"names LIKE (SELECT '%' || {_PART} || E'%\\n%')"
_BEGINS_TITLE: Final = f"names LIKE (SELECT ' ' || {_TERM} || '%')"
_IS_TITLE: Final = f"names LIKE (SELECT ' ' || {_TERM} || E'\\n%')"

# The index finds names with the right letters, LIKE those that have them in a row.
_LETTERS: Final = f"keyshop.name_ngrams(names) @> {GRAMS}"

# A word that stands in more descriptions than this says nothing about a game: which of them are
# looked at then is left to chance, instead of reading them all.
_DESCRIPTIONS_LOOKED_AT: Final = 5_000

DESCRIBED: Final = f"""
    SELECT game_id FROM keyshop.game_description_terms
    WHERE terms @@ (SELECT plainto_tsquery('simple', $1)) LIMIT {_DESCRIPTIONS_LOOKED_AT}
"""

# Names first; descriptions are looked at only when names leave room.
_SEARCH: Final = f"""
    (SELECT game_id FROM keyshop.game_facets WHERE in_stock AND {_LETTERS} AND {IN_NAMES}
     ORDER BY {POPULAR} LIMIT $2)
    UNION ALL
    (SELECT game_id FROM keyshop.game_facets
     WHERE in_stock AND game_id = ANY(ARRAY({DESCRIBED})) AND NOT {IN_NAMES}
     ORDER BY {POPULAR} LIMIT $2)
    LIMIT $2
"""

# The tiers of `rules.relevance` in its order; inside a tier best sellers, then new games.
_SUGGESTIONS: Final = f"""
    WITH found AS (
        (SELECT game_id FROM keyshop.game_facets
         WHERE in_stock AND {_LETTERS} AND {_IN_TITLE}
         ORDER BY {_IS_TITLE} DESC, {_BEGINS_TITLE} DESC,
            is_best_seller DESC, is_marked_new DESC, {POPULAR}
         LIMIT $2)
        UNION ALL
        (SELECT game_id FROM keyshop.game_facets
         WHERE in_stock AND game_id = ANY(ARRAY({DESCRIBED})) AND NOT {_IN_TITLE}
         ORDER BY is_best_seller DESC, is_marked_new DESC, {POPULAR}
         LIMIT $2)
        LIMIT $2
    )
    SELECT g.id, g.title, g.image, g.slug, g."isBestSeller", g."isNew"
    FROM unnest(ARRAY(SELECT game_id FROM found)) WITH ORDINALITY AS wanted (id, place)
    JOIN games AS g ON g.id = wanted.id
    ORDER BY wanted.place
"""


async def search(reader: Reader, *, term: str, limit: int) -> list[str]:
    """Return the games in stock whose title, publisher or description holds the term."""
    return [record[0] for record in await reader.fetch(_SEARCH, term, limit)]


async def suggest(reader: Reader, *, term: str, limit: int) -> list[Record]:
    """Return the games in stock that answer the term, the most relevant first."""
    return await reader.fetch(_SUGGESTIONS, term, limit)
