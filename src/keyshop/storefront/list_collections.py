"""The largest genres and publishers, each with its most popular games."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.cache_keys import COLLECTIONS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import EMPTY_LIST, encode_with_etag
from keyshop.storefront import collection_queries, queries
from keyshop.storefront.models import Collection, Game
from keyshop.storefront.rules import valid_until

_MAX_COLLECTIONS: Final = 5  # of genres, and as many of publishers
_MAX_GAMES: Final = 40  # in each

_CACHE_KEY: Final = COLLECTIONS.find_key()


async def list_collections(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return the five genres and the five publishers with the most games in stock."""

    async def load() -> Loaded:
        async with db.read() as reader:
            return await _load(reader, now=now)

    return await cache.read(_CACHE_KEY, load, now=now) or EMPTY_LIST


async def _load(reader: Reader, *, now: datetime) -> Loaded:
    genres = await collection_queries.list_genre_collections(
        reader, max_collections=_MAX_COLLECTIONS, max_games=_MAX_GAMES
    )
    publishers = await collection_queries.list_publisher_collections(
        reader, max_collections=_MAX_COLLECTIONS, max_games=_MAX_GAMES
    )
    # A game may be in several collections; it is read once.
    ids = {game_id for record in (*genres, *publishers) for game_id in record["game_ids"]}
    if not ids:
        return Loaded(None)
    games = await queries.list_games(reader, ids=sorted(ids), now=now)
    by_id = {game.id: game for game in games}
    collections = [_genre(record, by_id) for record in genres]
    collections += [_publisher(record, by_id) for record in publishers]
    return Loaded(encode_with_etag(collections), valid_until(games))


def _genre(record: Record, by_id: dict[str, Game]) -> Collection:
    return Collection(
        id=f"genre-{record['slug']}",
        title=record["name"],
        type="genre",
        value=record["slug"],
        games=_games(record, by_id),
    )


def _publisher(record: Record, by_id: dict[str, Game]) -> Collection:
    return Collection(
        id=f"publisher-{record['name']}",
        title=record["name"],
        type="publisher",
        value=record["name"],
        games=_games(record, by_id),
    )


def _games(record: Record, by_id: dict[str, Game]) -> list[Game]:
    return [by_id[game_id] for game_id in record["game_ids"] if game_id in by_id]
