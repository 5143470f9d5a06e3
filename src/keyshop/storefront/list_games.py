"""List games for the home page and for the rows below a game."""

from datetime import datetime
from random import SystemRandom
from typing import Final

from keyshop.cache_keys import (
    BY_GENRE,
    HOME_BEST_SELLERS,
    HOME_BEST_SELLERS_OF_GENRE,
    HOME_NEW,
    HOME_NEW_IN_CATALOG,
    HOME_PREORDERS,
    SIMILAR,
)
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.envelope import EMPTY_LIST, encode_with_etag
from keyshop.kit.ids import new_id
from keyshop.storefront import list_queries, queries
from keyshop.storefront.rules import DEFAULT_SIMILAR, fold, new_since, valid_until

_MAX_BEST_SELLERS: Final = 30
_MAX_NEW_IN_CATALOGUE: Final = 40
_MAX_NEW: Final = 30
_MAX_PREORDERS: Final = 30
_MAX_OF_GENRE: Final = 40

_BEST_SELLERS: Final = HOME_BEST_SELLERS.find_key()
_NEW_IN_CATALOGUE: Final = HOME_NEW_IN_CATALOG.find_key()
_NEW: Final = HOME_NEW.find_key()
_PREORDERS: Final = HOME_PREORDERS.find_key()

_shuffle: Final = SystemRandom().shuffle


async def list_best_sellers(
    db: Database, cache: Cache, *, genre: str | None, now: datetime
) -> bytes:
    """Return the best sellers in stock, of all games or of a genre (a name or slug)."""
    if genre is not None:
        return await _list_best_sellers_of_genre(db, cache, genre=fold(genre), now=now)

    async def load() -> Loaded:
        async with db.read() as reader:
            ids = await list_queries.list_best_seller_ids(reader, limit=_MAX_BEST_SELLERS)
            return await _loaded(reader, ids, now=now)

    return await cache.read(_BEST_SELLERS, load, now=now) or EMPTY_LIST


async def _list_best_sellers_of_genre(
    db: Database, cache: Cache, *, genre: str, now: datetime
) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            links = await list_queries.list_genre_links(reader, name=genre)
            ids = await list_queries.list_best_seller_ids_of_genre(
                reader, genre=links, limit=_MAX_BEST_SELLERS
            )
            return await _loaded(reader, ids, now=now)

    key = HOME_BEST_SELLERS_OF_GENRE.find_key(digest=digest(genre))
    return await cache.read(key, load, now=now) or EMPTY_LIST


async def list_new_in_catalogue(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return games in stock that were released lately or will be, preorders included."""

    async def load() -> Loaded:
        async with db.read() as reader:
            ids = await list_queries.list_new_ids(
                reader, since=new_since(now), with_preorders=True, limit=_MAX_NEW_IN_CATALOGUE
            )
            return await _loaded(reader, ids, now=now)

    return await cache.read(_NEW_IN_CATALOGUE, load, now=now) or EMPTY_LIST


async def list_new(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return new games in stock, preorders excluded."""

    async def load() -> Loaded:
        async with db.read() as reader:
            ids = await list_queries.list_new_ids(
                reader, since=new_since(now), with_preorders=False, limit=_MAX_NEW
            )
            return await _loaded(reader, ids, now=now)

    return await cache.read(_NEW, load, now=now) or EMPTY_LIST


async def list_preorders(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return games in stock that can be ordered before their release."""

    async def load() -> Loaded:
        async with db.read() as reader:
            ids = await list_queries.list_preorder_ids(reader, limit=_MAX_PREORDERS)
            return await _loaded(reader, ids, now=now)

    return await cache.read(_PREORDERS, load, now=now) or EMPTY_LIST


async def list_by_genre(db: Database, cache: Cache, *, genre: str, now: datetime) -> bytes:
    """Return the popular games of a genre (a name or slug), or best sellers when it has none."""
    name = fold(genre)

    async def load() -> Loaded:
        async with db.read() as reader:
            links = await list_queries.list_genre_links(reader, name=name)
            ids = await list_queries.list_popular_ids_of_genre(
                reader, genre=links, limit=_MAX_OF_GENRE
            )
            return await _loaded(reader, ids, now=now)

    key = BY_GENRE.find_key(digest=digest(name))
    games = await cache.read(key, load, now=now)
    if games is None:
        return await list_best_sellers(db, cache, genre=None, now=now)
    return games


async def list_random(db: Database, *, count: int, now: datetime) -> bytes:
    """Return random games in stock. The answer is never cached, so every call differs."""
    async with db.read() as reader:
        ids = await list_queries.list_random_ids(reader, pivot=new_id(), limit=count)
        _shuffle(ids)
        return encode_with_etag(await queries.list_games(reader, ids=ids, now=now))


async def list_similar(
    db: Database, cache: Cache, *, game_id: str, count: int, now: datetime
) -> bytes:
    """Return games in stock that share tags or genres with this one; none for an unknown game."""

    async def load() -> Loaded:
        async with db.read() as reader:
            ids = await list_queries.list_similar_ids(reader, game_id=game_id, limit=count)
            return await _loaded(reader, ids, now=now)

    key = SIMILAR.find_key(id=game_id) if count == DEFAULT_SIMILAR else None
    return await cache.read(key, load, now=now) or EMPTY_LIST


async def _loaded(reader: Reader, ids: list[str], *, now: datetime) -> Loaded:
    """
    Return the answer with these games.

    An empty list counts as absent, which the cache keeps for seconds only: requests for genres
    and games that do not exist cannot fill Redis.
    """
    if not ids:
        return Loaded(None)
    games = await queries.list_games(reader, ids=ids, now=now)
    return Loaded(encode_with_etag(games), valid_until(games))
