"""An operator creates a promo code."""

from datetime import datetime

from msgspec.structs import replace

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.promotions import queries
from keyshop.promotions.errors import PromoExists
from keyshop.promotions.models import NewPromo
from keyshop.promotions.rules import check_new_limits, check_percent, new_code


async def create_promo(tx: Transaction, promo: NewPromo, *, by: str, now: datetime) -> NewPromo:
    """
    Create the promo code, in upper case, and return it as it is stored.

    Raises:
        Invalid: its code, percentage, time or number of uses is impossible.
        PromoExists: there is a code of the same letters, in whatever case.
    """
    promo = replace(promo, code=new_code(promo.code))
    check_percent(promo.percent)
    check_new_limits(promo)
    existing = await queries.find_promo(tx, promo.code)
    if existing is not None:
        raise PromoExists(existing.code)
    promo_id = await queries.add_promo(tx, promo, now=now)
    if promo_id is None:
        raise PromoExists(promo.code)
    await record(
        tx,
        actor=by,
        action="promo.create",
        subject=Subject("promo", promo_id),
        details={"code": promo.code, "percent": str(promo.percent), "max_uses": promo.max_uses},
        now=now,
    )
    return promo
