"""Make units due at once, because there may be news of them."""

from collections.abc import Collection
from datetime import datetime

from keyshop.kit.database.transaction import Transaction
from keyshop.orders import change_queries as queries


async def hint(tx: Transaction, unit_ids: Collection[str], *, now: datetime) -> int:
    """
    Make those of the units due now that are open and due later, and return how many these were.

    A hint moves no money and delivers no key; unknown and final units are left out.
    """
    return await queries.hint(tx, unit_ids, now=now) if unit_ids else 0
