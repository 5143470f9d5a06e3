"""The largest genres and publishers, each with its most popular games."""

from datetime import datetime
from typing import Final

from asyncpg import Record

from keyshop.kit.database import Database
from keyshop.storefront import queries
from keyshop.storefront.answer import answer
from keyshop.storefront.models import Collection, Game

_OF_EACH_KIND: Final = 5
_GAMES: Final = 40


async def list_collections(db: Database, *, now: datetime) -> bytes:
    """Return the five genres and the five publishers with most games in stock."""
    async with db.read() as reader:
        genres = await queries.list_collections(
            reader, queries.GENRE_COLLECTIONS, number=_OF_EACH_KIND, size=_GAMES
        )
        publishers = await queries.list_collections(
            reader, queries.PUBLISHER_COLLECTIONS, number=_OF_EACH_KIND, size=_GAMES
        )
        # A game that stands in several collections is read once.
        ids = {game_id for found in (*genres, *publishers) for game_id in found["game_ids"]}
        games = await queries.list_games(reader, ids=sorted(ids), now=now)
    known = {game.id: game for game in games}
    return answer(
        [_genre(found, known) for found in genres]
        + [_publisher(found, known) for found in publishers]
    )


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
