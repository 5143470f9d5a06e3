"""Show one game, by id or by slug."""

from datetime import datetime

from keyshop.cache_keys import GAME, GAME_BY_SLUG
from keyshop.kit.cache.families import digest
from keyshop.kit.cache.protocol import Cache, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_with_etag
from keyshop.storefront import queries
from keyshop.storefront.errors import GameNotFound
from keyshop.storefront.models import Game
from keyshop.storefront.rules import valid_until


async def show_game(db: Database, cache: Cache, *, game_id: str, now: datetime) -> bytes:
    """
    Return the game with this id.

    Raises:
        GameNotFound: there is none.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            return _loaded(await queries.find_game(reader, game_id=game_id, now=now))

    body = await cache.read(GAME.find_key(id=game_id), load, now=now)
    if body is None:
        raise GameNotFound
    return body


async def show_game_by_slug(db: Database, cache: Cache, *, slug: str, now: datetime) -> bytes:
    """
    Return the game with this slug.

    Raises:
        GameNotFound: there is none.
    """

    async def load() -> Loaded:
        async with db.read() as reader:
            return _loaded(await queries.find_game_by_slug(reader, slug=slug, now=now))

    body = await cache.read(GAME_BY_SLUG.find_key(digest=digest(slug)), load, now=now)
    if body is None:
        raise GameNotFound
    return body


def _loaded(game: Game | None) -> Loaded:
    if game is None:
        return Loaded(None)
    return Loaded(encode_with_etag(game), valid_until([game]))
