"""The SQL of lists of games; each statement returns ids, which `queries.list_games` reads."""
# ruff: noqa: S608 - statements are assembled from constants alone

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.queries import POPULAR, POPULAR_GAMES

# Each half is read in the order of an index, so at most twice the limit is sorted.
_BEST_SELLERS: Final = f"""
    SELECT id FROM (
        (SELECT id, "isBestSeller", "userRating", "releaseDate" FROM games
         WHERE "inStock" AND "isBestSeller" ORDER BY {POPULAR_GAMES} LIMIT $1)
        UNION ALL
        (SELECT id, "isBestSeller", "userRating", "releaseDate" FROM games
         WHERE "inStock" AND NOT "isBestSeller" ORDER BY {POPULAR_GAMES} LIMIT $1)
    ) AS candidates
    ORDER BY "isBestSeller" DESC, {POPULAR_GAMES} LIMIT $1
"""

_GENRE_LINKS: Final = """
    SELECT array_agg(hashtextextended(id, 0)) FROM genres
    WHERE slug = lower($1) OR lower(name) = lower($1)
"""

_BEST_SELLERS_OF_GENRE: Final = f"""
    SELECT game_id FROM keyshop.game_facets WHERE in_stock AND links && $1
    ORDER BY is_best_seller DESC, {POPULAR} LIMIT $2
"""

_POPULAR_OF_GENRE: Final = f"""
    SELECT game_id FROM keyshop.game_facets WHERE in_stock AND links && $1
    ORDER BY {POPULAR} LIMIT $2
"""

_NEW: Final = """
    SELECT id FROM games
    WHERE "inStock" AND "releaseDate" >= $1 AND (NOT "isPreorder" OR $2)
    ORDER BY "releaseDate" DESC, id LIMIT $3
"""

_PREORDERS: Final = """
    SELECT id FROM games WHERE "isPreorder" AND "inStock" ORDER BY "releaseDate", id LIMIT $1
"""

# Ids are random, so the games after a random id are a random choice. After the last id, the choice
# continues with the first.
_RANDOM: Final = """
    SELECT game_id FROM (
        (SELECT game_id, 1 AS turn FROM keyshop.game_facets
         WHERE in_stock AND game_id >= $1 ORDER BY game_id LIMIT $2)
        UNION ALL
        (SELECT game_id, 2 FROM keyshop.game_facets
         WHERE in_stock AND game_id < $1 ORDER BY game_id LIMIT $2)
    ) AS candidates
    ORDER BY turn, game_id LIMIT $2
"""

# A shared tag scores two, a shared genre one. The index finds the candidates: games that share a tag
# or two genres.
_SIMILAR: Final = f"""
    WITH mine AS MATERIALIZED (
        SELECT
            ARRAY(SELECT hashtextextended("tagId", 0) FROM game_tags WHERE "gameId" = $1) AS tags,
            ARRAY(SELECT hashtextextended("genreId", 0) FROM game_genres
                  WHERE "gameId" = $1) AS genres
    ),
    pairs AS (
        SELECT ARRAY[one, other] AS pair
        FROM mine, unnest(genres) AS one, unnest(genres) AS other WHERE one < other
    ),
    candidates AS (
        SELECT game_id FROM keyshop.game_facets WHERE links && (SELECT tags FROM mine)
        UNION
        SELECT game_id FROM pairs JOIN keyshop.game_facets ON links @> pair
    )
    SELECT game_id FROM candidates JOIN keyshop.game_facets USING (game_id),
        LATERAL (
            SELECT 2 * count(*) FILTER (WHERE link = ANY((SELECT tags FROM mine)::bigint[]))
                + count(*) FILTER (WHERE link = ANY((SELECT genres FROM mine)::bigint[])) AS score
            FROM unnest(links) AS link
        ) AS compared
    WHERE in_stock AND game_id <> $1
    ORDER BY score DESC, {POPULAR} LIMIT $2
"""


async def list_best_seller_ids(reader: Reader, *, limit: int) -> list[str]:
    """Return the best sellers in stock, filled up with popular games."""
    return _ids(await reader.fetch(_BEST_SELLERS, limit))


async def list_genre_links(reader: Reader, *, name: str) -> list[int]:
    """Return the links of the genres with this name or slug; case does not matter."""
    links: list[int] | None = await reader.fetchval(_GENRE_LINKS, name)
    return links or []


async def list_best_seller_ids_of_genre(
    reader: Reader, *, genre: list[int], limit: int
) -> list[str]:
    """Return the genre's games in stock, best sellers first."""
    return _ids(await reader.fetch(_BEST_SELLERS_OF_GENRE, genre, limit))


async def list_popular_ids_of_genre(reader: Reader, *, genre: list[int], limit: int) -> list[str]:
    """Return the genre's games in stock, best rated first."""
    return _ids(await reader.fetch(_POPULAR_OF_GENRE, genre, limit))


async def list_new_ids(
    reader: Reader, *, since: datetime, with_preorders: bool, limit: int
) -> list[str]:
    """Return the games in stock that were released since then or will be, the latest first."""
    return _ids(await reader.fetch(_NEW, since, with_preorders, limit))


async def list_preorder_ids(reader: Reader, *, limit: int) -> list[str]:
    """Return preorders, the next release first."""
    return _ids(await reader.fetch(_PREORDERS, limit))


async def list_random_ids(reader: Reader, *, pivot: str, limit: int) -> list[str]:
    """Return games in stock that follow the pivot in the order of their ids."""
    return _ids(await reader.fetch(_RANDOM, pivot, limit))


async def list_similar_ids(reader: Reader, *, game_id: str, limit: int) -> list[str]:
    """Return games in stock that share a tag or two genres, the highest score first."""
    return _ids(await reader.fetch(_SIMILAR, game_id, limit))


def _ids(records: list[Record]) -> list[str]:
    return [record[0] for record in records]
