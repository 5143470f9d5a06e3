"""One game, by id or by slug."""

from datetime import datetime

from keyshop.kit.database import Database
from keyshop.storefront import queries
from keyshop.storefront.answer import answer
from keyshop.storefront.errors import GameNotFound


async def show_game(db: Database, *, game_id: str, now: datetime) -> bytes:
    """
    Return the game of that id.

    Raises:
        GameNotFound: there is none.
    """
    async with db.read() as reader:
        game = await queries.find_game(reader, game_id=game_id, now=now)
    if game is None:
        raise GameNotFound
    return answer(game)


async def show_game_by_slug(db: Database, *, slug: str, now: datetime) -> bytes:
    """
    Return the game of that slug.

    Raises:
        GameNotFound: there is none.
    """
    async with db.read() as reader:
        game = await queries.find_game_by_slug(reader, slug=slug, now=now)
    if game is None:
        raise GameNotFound
    return answer(game)
