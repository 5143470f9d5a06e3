"""The largest genres and publishers, each with its most popular games."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.cache_keys import COLLECTIONS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import EMPTY_LIST, encode_data
from keyshop.storefront import queries
from keyshop.storefront.models import Collection, Game
from keyshop.storefront.rules import true_until

_OF_EACH_KIND: Final = 5
_GAMES: Final = 40

_COLLECTIONS: Final = COLLECTIONS.find_key()


async def list_collections(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return the five genres and the five publishers with most games in stock."""

    async def load() -> Loaded:
        async with db.read() as reader:
            return await _load(reader, now=now)

    return await cache.read(_COLLECTIONS, load, now=now) or EMPTY_LIST


async def _load(reader: Reader, *, now: datetime) -> Loaded:
    genres = await queries.list_collections(
        reader, queries.GENRE_COLLECTIONS, number=_OF_EACH_KIND, size=_GAMES
    )
    publishers = await queries.list_collections(
        reader, queries.PUBLISHER_COLLECTIONS, number=_OF_EACH_KIND, size=_GAMES
    )
    # A game that stands in several collections is read once.
    ids = {game_id for found in (*genres, *publishers) for game_id in found["game_ids"]}
    if not ids:
        return Loaded(None)
    games = await queries.list_games(reader, ids=sorted(ids), now=now)
    known = {game.id: game for game in games}
    collections = [_genre(found, known) for found in genres]
    collections += [_publisher(found, known) for found in publishers]
    return Loaded(encode_data(collections), true_until(games))


def _genre(found: Record, known: dict[str, Game]) -> Collection:
    return Collection(
        id=f"genre-{found['slug']}",
        title=found["name"],
        type="genre",
        value=found["slug"],
        games=_games(found, known),
    )


def _publisher(found: Record, known: dict[str, Game]) -> Collection:
    return Collection(
        id=f"publisher-{found['name']}",
        title=found["name"],
        type="publisher",
        value=found["name"],
        games=_games(found, known),
    )


def _games(found: Record, known: dict[str, Game]) -> list[Game]:
    return [known[game_id] for game_id in found["game_ids"] if game_id in known]
