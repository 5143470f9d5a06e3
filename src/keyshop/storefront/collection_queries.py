"""The SQL of collections: large genres and publishers with the ids of their popular games."""
# ruff: noqa: S608 - statements are assembled from constants alone

from typing import Final

from asyncpg import Record

from keyshop.kit.database.transaction import Reader
from keyshop.storefront.queries import POPULAR

_GENRE_COLLECTIONS: Final = f"""
    WITH largest AS (
        SELECT "genreId" AS id, count(*) AS games
        FROM game_genres JOIN keyshop.game_facets ON game_id = "gameId"
        WHERE in_stock GROUP BY "genreId" ORDER BY games DESC, "genreId" LIMIT $1
    )
    SELECT slug, name, ARRAY(
        SELECT game_id FROM keyshop.game_facets
        WHERE in_stock AND links @> ARRAY[hashtextextended(largest.id, 0)]
        ORDER BY {POPULAR} LIMIT $2
    ) AS game_ids
    FROM largest JOIN genres ON genres.id = largest.id ORDER BY games DESC, name
"""

_PUBLISHER_COLLECTIONS: Final = f"""
    WITH largest AS (
        SELECT publisher AS name, count(*) AS games FROM keyshop.game_facets
        WHERE in_stock AND publisher <> '' GROUP BY publisher
        ORDER BY games DESC, publisher LIMIT $1
    )
    SELECT name, ARRAY(
        SELECT game_id FROM keyshop.game_facets
        WHERE in_stock AND publisher = largest.name ORDER BY {POPULAR} LIMIT $2
    ) AS game_ids
    FROM largest ORDER BY games DESC, name
"""


async def list_genre_collections(
    reader: Reader, *, max_collections: int, max_games: int
) -> list[Record]:
    """Return the largest genres with the ids of their most popular games."""
    return await reader.fetch(_GENRE_COLLECTIONS, max_collections, max_games)


async def list_publisher_collections(
    reader: Reader, *, max_collections: int, max_games: int
) -> list[Record]:
    """Return the largest publishers with the ids of their most popular games."""
    return await reader.fetch(_PUBLISHER_COLLECTIONS, max_collections, max_games)
