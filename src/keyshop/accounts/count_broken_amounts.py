"""Count the customers' amounts that are no number, and which the shop shows as 0."""

from typing import Final

from keyshop.schema.connect import Connection

_COUNT: Final = """
    SELECT (SELECT count(*) FROM public.users WHERE NOT abs(balance::numeric) < 'Infinity')
        + (SELECT count(*) FROM public.orders WHERE NOT abs(discount::numeric) < 'Infinity')
"""


async def count_broken_amounts(connection: Connection) -> int:
    """Return how many balances and discounts of orders another program stored as NaN or infinite."""
    return int(await connection.fetchval(_COUNT))
