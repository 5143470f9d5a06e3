"""Show operators the stock of own keys, without any text."""

from msgspec import Struct

from keyshop.keys import stock_queries
from keyshop.keys.models import GameStock, KeyState, ListedKey, Totals
from keyshop.kit.database.transaction import Reader
from keyshop.kit.errors import NotFound


class Stock(Struct, frozen=True):
    """How many keys there are, in all and by game."""

    totals: Totals
    games: list[GameStock]


async def show_stock(reader: Reader) -> Stock:
    """Count keys by state, and by the games that have own keys or seem to have."""
    return Stock(await stock_queries.count_keys(reader), await stock_queries.list_stocks(reader))


async def list_keys(
    reader: Reader, *, game: str | None, state: KeyState | None, limit: int
) -> list[ListedKey]:
    """
    Return keys, the newest first.

    Raises:
        NotFound: there is no game with this id or slug.
    """
    game_id = None if game is None else await get_game_id(reader, game)
    return await stock_queries.list_keys(reader, game_id=game_id, state=state, limit=limit)


async def get_game_id(reader: Reader, game: str) -> str:
    """
    Return the id of the game with this id or slug.

    Raises:
        NotFound: there is none.
    """
    # Characters that PostgreSQL cannot store are in no name.
    found = await stock_queries.find_games(reader, [game]) if game.isprintable() else {}
    if game not in found:
        raise NotFound(f"There is no game {game}; name it by its id or slug.")
    return found[game]
