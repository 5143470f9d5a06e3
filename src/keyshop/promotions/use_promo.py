"""Count an order as a use of its promo code."""

from datetime import datetime

from keyshop.kit.database.transaction import Transaction
from keyshop.promotions import queries
from keyshop.promotions.errors import PromoUsedUp
from keyshop.promotions.models import Promo


async def use_promo(tx: Transaction, promo: Promo, *, order_id: str, now: datetime) -> None:
    """
    Count the order as a use of the code, and lock the code until the transaction ends.

    All orders with the code wait for this lock, so it is taken last, but for `buying_state`.

    Raises:
        PromoUsedUp: since `check_promo`, other orders have taken the last use.
    """
    if not await queries.count_use(tx, promo.id, now=now):
        raise PromoUsedUp
    await queries.add_use(tx, promo.id, order_id, now=now)
