"""
The SQL of games and of their lists; the catalogue's, the search's and the filters' stand beside it.

A list is two statements: one finds ids in the narrow `game_facets`, the other reads those games.
"""
# ruff: noqa: S608 - statements are put together from constants of this file alone

from datetime import datetime
from typing import Final

from asyncpg import Record
from msgspec import UNSET

from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import format_utc
from keyshop.storefront.models import Game
from keyshop.storefront.rules import is_new

_GAME_COLUMNS: Final = """
    g.id, g.title, g.slug, g.description, g."shortDescription", g.price, g."originalPrice",
    g.discount, g.currency, g.image, g.images, g."inStock", g."releaseDate", g."metacriticScore",
    g."userRating", g."ageRating", g.multiplayer, g."activationService", g.region, g.publisher,
    g."isBestSeller", g."isPreorder",
    ARRAY(SELECT name FROM game_platforms JOIN platforms ON id = "platformId"
          WHERE "gameId" = g.id ORDER BY name) AS platforms,
    ARRAY(SELECT name FROM game_genres JOIN genres ON id = "genreId"
          WHERE "gameId" = g.id ORDER BY name) AS genres,
    ARRAY(SELECT name FROM game_tags JOIN tags ON id = "tagId"
          WHERE "gameId" = g.id ORDER BY name) AS tags,
    ARRAY(SELECT name FROM game_categories JOIN categories ON id = "categoryId"
          WHERE "gameId" = g.id ORDER BY name) AS categories
"""

GAME_BY_ID: Final = f"SELECT {_GAME_COLUMNS} FROM games AS g WHERE g.id = $1"

GAME_BY_SLUG: Final = f"SELECT {_GAME_COLUMNS} FROM games AS g WHERE g.slug = $1"

_GAMES_BY_IDS: Final = f"""
    SELECT {_GAME_COLUMNS}
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, place)
    JOIN games AS g ON g.id = wanted.id
    ORDER BY wanted.place
"""

POPULAR: Final = "rating DESC NULLS LAST, released DESC, game_id"

POPULAR_GAMES: Final = '"userRating" DESC NULLS LAST, "releaseDate" DESC, id'

# Each half is read in the order of an index; together they are never more than twice the limit.
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

# Ids are random, so the games that follow a random id are a random choice; after the last id it
# goes on from the first.
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

# A shared tag counts two, a shared genre one; a single shared genre is not enough. Candidates come
# from the index: whatever shares a tag, or two genres.
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

GENRE_COLLECTIONS: Final = f"""
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

PUBLISHER_COLLECTIONS: Final = f"""
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


async def find_game(reader: Reader, *, game_id: str, now: datetime) -> Game | None:
    """Return the game of that id."""
    record = await reader.fetchrow(GAME_BY_ID, game_id)
    return None if record is None else _game(record, now)


async def find_game_by_slug(reader: Reader, *, slug: str, now: datetime) -> Game | None:
    """Return the game of that slug."""
    record = await reader.fetchrow(GAME_BY_SLUG, slug)
    return None if record is None else _game(record, now)


async def list_games(reader: Reader, *, ids: list[str], now: datetime) -> list[Game]:
    """Return those of the games that exist, in the order of the ids."""
    return [_game(record, now) for record in await reader.fetch(_GAMES_BY_IDS, ids)]


async def list_best_sellers(reader: Reader, *, limit: int) -> list[str]:
    """Return the best sellers in stock, filled up with what is popular."""
    return _ids(await reader.fetch(_BEST_SELLERS, limit))


async def find_genre(reader: Reader, *, name: str) -> list[int]:
    """Return the links of the genres of that name or slug, in any case of letters."""
    links: list[int] | None = await reader.fetchval(_GENRE_LINKS, name)
    return links or []


async def list_best_sellers_of(reader: Reader, *, genre: list[int], limit: int) -> list[str]:
    """Return the genre's games in stock, best sellers first."""
    return _ids(await reader.fetch(_BEST_SELLERS_OF_GENRE, genre, limit))


async def list_popular_of(reader: Reader, *, genre: list[int], limit: int) -> list[str]:
    """Return the genre's games in stock, best rated first."""
    return _ids(await reader.fetch(_POPULAR_OF_GENRE, genre, limit))


async def list_new(
    reader: Reader, *, since: datetime, with_preorders: bool, limit: int
) -> list[str]:
    """Return the games in stock that came out since then or will come out, the latest first."""
    return _ids(await reader.fetch(_NEW, since, with_preorders, limit))


async def list_preorders(reader: Reader, *, limit: int) -> list[str]:
    """Return what can be ordered ahead, the next release first."""
    return _ids(await reader.fetch(_PREORDERS, limit))


async def list_random(reader: Reader, *, pivot: str, limit: int) -> list[str]:
    """Return games in stock that follow the pivot in the order of ids."""
    return _ids(await reader.fetch(_RANDOM, pivot, limit))


async def list_similar(reader: Reader, *, game_id: str, limit: int) -> list[str]:
    """Return games in stock that share a tag or two genres, most in common first."""
    return _ids(await reader.fetch(_SIMILAR, game_id, limit))


async def list_collections(
    reader: Reader, statement: str, *, number: int, size: int
) -> list[Record]:
    """Return the largest genres or publishers with the ids of their most popular games."""
    return await reader.fetch(statement, number, size)


def _ids(records: list[Record]) -> list[str]:
    return [record[0] for record in records]


def _game(record: Record, now: datetime) -> Game:
    released = record["releaseDate"]
    original_price = record["originalPrice"]
    rating = record["userRating"]
    return Game(
        id=record["id"],
        title=record["title"],
        slug=record["slug"],
        description=record["description"],
        short_description=record["shortDescription"],
        price=record["price"],
        original_price=original_price or UNSET,
        discount=record["discount"] or UNSET,
        currency=record["currency"],
        image=record["image"],
        images=record["images"] or [],
        in_stock=record["inStock"],
        release_date=format_utc(released),
        metacritic_score=record["metacriticScore"],
        user_rating=UNSET if rating is None else rating,
        age_rating=record["ageRating"],
        multiplayer=record["multiplayer"],
        activation_service=record["activationService"],
        region=record["region"],
        publisher=record["publisher"],
        is_best_seller=record["isBestSeller"],
        is_new=is_new(released, now=now),
        is_preorder=record["isPreorder"],
        platforms=record["platforms"],
        genres=record["genres"],
        tags=record["tags"],
        categories=record["categories"],
    )
