"""The newest orders of all customers, for an operator."""

from keyshop.kit.database.transaction import Reader
from keyshop.orders import operator_queries as queries
from keyshop.orders.operator_queries import OrderSummary


async def list_for_operator(
    reader: Reader, *, is_open: bool = False, is_foreign: bool = False, limit: int
) -> list[OrderSummary]:
    """
    Return up to `limit` orders, the newest first; only open ones, or only other programs', if asked.

    Orders that another program has placed and left open are worked on by no program that keyshop knows.
    """
    return await queries.list_summaries(reader, is_open=is_open, is_foreign=is_foreign, limit=limit)
