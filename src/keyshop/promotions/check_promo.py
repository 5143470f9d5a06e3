"""Decide whether a customer's promo code may be used."""

from datetime import datetime

from keyshop.kit.database.transaction import Reader
from keyshop.promotions import queries
from keyshop.promotions.errors import InvalidPromo
from keyshop.promotions.models import Promo
from keyshop.promotions.rules import check_usable, clean_code


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
    cleaned = clean_code(code)
    promo = None if cleaned is None else await queries.find_promo(tx, cleaned)
    if promo is None:
        raise InvalidPromo
    check_usable(promo, now=now)
    return promo
