"""The lists of the home page and of the rows below a game."""

from datetime import datetime
from random import SystemRandom
from typing import Final

from keyshop.kit.database import Database
from keyshop.kit.ids import new_id
from keyshop.storefront import queries
from keyshop.storefront.answer import answer
from keyshop.storefront.rules import new_since

BEST_SELLERS: Final = 30
NEW_IN_CATALOGUE: Final = 40
NEW: Final = 30
PREORDERS: Final = 30
BY_GENRE: Final = 40

_shuffle: Final = SystemRandom().shuffle


async def list_best_sellers(db: Database, *, genre: str | None, now: datetime) -> bytes:
    """Return what sells best and is in stock, of all games or of a genre by name or slug."""
    async with db.read() as reader:
        if genre is None:
            ids = await queries.list_best_sellers(reader, limit=BEST_SELLERS)
        else:
            links = await queries.find_genre(reader, name=genre)
            ids = await queries.list_best_sellers_of(reader, genre=links, limit=BEST_SELLERS)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_new_in_catalogue(db: Database, *, now: datetime) -> bytes:
    """Return what came out in the last days or will come out."""
    async with db.read() as reader:
        ids = await queries.list_new(
            reader, since=new_since(now), with_preorders=True, limit=NEW_IN_CATALOGUE
        )
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_new(db: Database, *, now: datetime) -> bytes:
    """Return what is new and can be played at once."""
    async with db.read() as reader:
        ids = await queries.list_new(reader, since=new_since(now), with_preorders=False, limit=NEW)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_preorders(db: Database, *, now: datetime) -> bytes:
    """Return what can be ordered ahead of its release."""
    async with db.read() as reader:
        ids = await queries.list_preorders(reader, limit=PREORDERS)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_by_genre(db: Database, *, genre: str, now: datetime) -> bytes:
    """Return the popular games of a genre by name or slug, or best sellers when it has none."""
    async with db.read() as reader:
        links = await queries.find_genre(reader, name=genre)
        ids = await queries.list_popular_of(reader, genre=links, limit=BY_GENRE)
        if not ids:
            ids = await queries.list_best_sellers(reader, limit=BEST_SELLERS)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_random(db: Database, *, count: int, now: datetime) -> bytes:
    """Return games in stock, others at every call."""
    async with db.read() as reader:
        ids = await queries.list_random(reader, pivot=new_id(), limit=count)
        _shuffle(ids)
        return answer(await queries.list_games(reader, ids=ids, now=now))


async def list_similar(db: Database, *, game_id: str, count: int, now: datetime) -> bytes:
    """Return games in stock that have much in common with this one; none for an unknown game."""
    async with db.read() as reader:
        ids = await queries.list_similar(reader, game_id=game_id, limit=count)
        return answer(await queries.list_games(reader, ids=ids, now=now))
