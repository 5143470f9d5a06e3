"""Give a use of a promo code back, when all of its order is refunded."""

from datetime import datetime

from keyshop.kit.database.transaction import Transaction
from keyshop.promotions import queries


async def give_back(tx: Transaction, order_id: str, *, now: datetime) -> bool:
    """Give the order's use of a promo code back, once; False: it has none, or gave it back before."""
    promo_id = await queries.mark_given_back(tx, order_id, now=now)
    if promo_id is None:
        return False
    await queries.uncount_use(tx, promo_id)
    return True
