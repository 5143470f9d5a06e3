"""
The SQL that reads games.

A list takes two statements: one finds ids in the narrow `game_facets`, the other reads the games.
"""
# ruff: noqa: S608 - statements are assembled from constants of this file alone

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

# A numeric column holds NaN, and NaN is above every number. A game without a real price is not for sale,
# and JSON has no word for its price.
HAS_PRICE: Final = "price < 'Infinity'"

GAME_BY_ID: Final = f"SELECT {_GAME_COLUMNS} FROM games AS g WHERE g.id = $1 AND g.{HAS_PRICE}"

GAME_BY_SLUG: Final = f"SELECT {_GAME_COLUMNS} FROM games AS g WHERE g.slug = $1 AND g.{HAS_PRICE}"

_GAMES_BY_IDS: Final = f"""
    SELECT {_GAME_COLUMNS}
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, place)
    JOIN games AS g ON g.id = wanted.id AND g.{HAS_PRICE}
    ORDER BY wanted.place
"""

POPULAR: Final = "rating DESC NULLS LAST, released DESC, game_id"

POPULAR_GAMES: Final = '"userRating" DESC NULLS LAST, "releaseDate" DESC, id'


async def find_game(reader: Reader, *, game_id: str, now: datetime) -> Game | None:
    record = await reader.fetchrow(GAME_BY_ID, game_id)
    return None if record is None else _game(record, now)


async def find_game_by_slug(reader: Reader, *, slug: str, now: datetime) -> Game | None:
    record = await reader.fetchrow(GAME_BY_SLUG, slug)
    return None if record is None else _game(record, now)


async def list_games(reader: Reader, *, ids: list[str], now: datetime) -> list[Game]:
    """Return the games that exist, in the order of the ids."""
    return [_game(record, now) for record in await reader.fetch(_GAMES_BY_IDS, ids)]


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
        original_price=original_price if original_price and original_price.is_finite() else UNSET,
        discount=record["discount"] or UNSET,
        currency=record["currency"],
        image=record["image"],
        images=record["images"] or [],
        in_stock=record["inStock"],
        release_date=format_utc(released),
        metacritic_score=record["metacriticScore"],
        user_rating=rating if rating is not None and rating.is_finite() else UNSET,
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
