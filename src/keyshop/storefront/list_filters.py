"""List the values that the catalogue can be filtered by."""

from datetime import datetime
from typing import Final

from keyshop.cache_keys import FILTER_OPTIONS, GENRES, PLATFORMS
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import EMPTY_LIST, encode_with_etag
from keyshop.storefront import filter_queries
from keyshop.storefront.models import FilterOptions, NamedSlug

_GENRES: Final = GENRES.find_key()
_PLATFORMS: Final = PLATFORMS.find_key()
_FILTER_OPTIONS: Final = FILTER_OPTIONS.find_key()

_NO_OPTIONS: Final = FilterOptions(
    genres=[], platforms=[], activation_services=[], regions=[], publishers=[]
)
_NO_OPTIONS_ANSWER: Final = encode_with_etag(_NO_OPTIONS)


async def list_genres(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return all genres, sorted by name."""

    async def load() -> Loaded:
        async with db.read() as reader:
            return _loaded(await filter_queries.list_genres(reader))

    return await cache.read(_GENRES, load, now=now) or EMPTY_LIST


async def list_platforms(db: Database, cache: Cache, *, now: datetime) -> bytes:
    """Return all platforms, sorted by name."""

    async def load() -> Loaded:
        async with db.read() as reader:
            return _loaded(await filter_queries.list_platforms(reader))

    return await cache.read(_PLATFORMS, load, now=now) or EMPTY_LIST


async def list_filter_options(db: Database, cache: Cache, *, now: datetime) -> bytes:
    async def load() -> Loaded:
        async with db.read() as reader:
            options = FilterOptions(
                genres=await filter_queries.list_genres(reader),
                platforms=await filter_queries.list_platforms(reader),
                activation_services=await filter_queries.list_values(
                    reader, filter_queries.ACTIVATION_SERVICES
                ),
                regions=await filter_queries.list_values(reader, filter_queries.REGIONS),
                publishers=await filter_queries.list_values(reader, filter_queries.PUBLISHERS),
            )
        return Loaded(None if options == _NO_OPTIONS else encode_with_etag(options))

    return await cache.read(_FILTER_OPTIONS, load, now=now) or _NO_OPTIONS_ANSWER


def _loaded(names: list[NamedSlug]) -> Loaded:
    return Loaded(encode_with_etag(names) if names else None)
