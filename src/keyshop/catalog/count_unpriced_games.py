"""Count the games whose price is no number, and which the shop hides."""

from typing import Final

from keyshop.schema.connect import Connection

# NaN is above every number.
_COUNT: Final = "SELECT count(*) FROM public.games WHERE NOT price < 'Infinity'"


async def count_unpriced_games(connection: Connection) -> int:
    """Return how many games another program stored with NaN as their price."""
    return int(await connection.fetchval(_COUNT))
