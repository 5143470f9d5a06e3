"""Decide whether a customer's promo code may be used."""

from datetime import datetime

from keyshop.kit.database.transaction import Reader
from keyshop.promotions import queries
from keyshop.promotions.errors import InvalidPromo, PromoNotActive, PromoNotValidNow, PromoUsedUp
from keyshop.promotions.models import Promo
from keyshop.promotions.rules import MAX_CODE_LENGTH, is_discount


async def check_promo(tx: Reader, code: str, *, now: datetime) -> Promo:
    """
    Return the promo code, which may be used now; letters match in any case.

    This locks and changes nothing: `use_promo` decides again.

    Raises:
        InvalidPromo: there is no such code, or its discount is not in (0, 100].
        PromoNotActive: it was switched off.
        PromoNotValidNow: its time has not begun, or is over.
        PromoUsedUp: it was used as often as it may be.
    """
    promo = await queries.find_promo(tx, code) if len(code) <= MAX_CODE_LENGTH else None
    if promo is None or not is_discount(promo.percent):
        raise InvalidPromo
    if not promo.active:
        raise PromoNotActive
    if not promo.valid_from <= now <= promo.valid_until:
        raise PromoNotValidNow
    if promo.max_uses is not None and promo.used_count >= promo.max_uses:
        raise PromoUsedUp
    return promo
