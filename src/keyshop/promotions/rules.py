"""Decisions about promo codes, without any I/O."""

import re
from decimal import Decimal
from typing import Final

from keyshop.kit.money import cents
from keyshop.promotions.errors import PromoRefused
from keyshop.promotions.models import NewPromo

MAX_CODE_LENGTH: Final = 100  # characters

_MAX_USES: Final = 2**31 - 1  # what its column holds
_WHOLE: Final = Decimal(100)  # percent
_is_new_code: Final = re.compile(rf"[A-Z0-9_-]{{1,{MAX_CODE_LENGTH}}}").fullmatch


def clean_code(text: str | None) -> str | None:
    """Return the code without spaces around it; None: there is none."""
    return (text or "").strip() or None


def is_discount(percent: Decimal) -> bool:
    """Test whether this many percent can be taken off a price; the column also holds NaN."""
    return percent.is_finite() and 0 < percent <= _WHOLE


def discount(subtotal: Decimal, percent: Decimal) -> Decimal:
    """Return what the percentage takes off the subtotal, in whole cents, a half cent rounded up."""
    return cents(subtotal * percent / _WHOLE)


def check_new(promo: NewPromo) -> None:
    """
    Refuse a promo code that could not be used as it says.

    Raises:
        PromoRefused: its code, percentage, time or number of uses is impossible.
    """
    if not _is_new_code(promo.code):
        raise PromoRefused(
            f"The code must have 1 to {MAX_CODE_LENGTH} letters from A to Z, digits, '-' or '_'."
        )
    if not is_discount(promo.percent) or promo.percent != cents(promo.percent):
        raise PromoRefused(
            "The discount must be above 0 and at most 100 percent, with two decimals."
        )
    if promo.valid_until <= promo.valid_from:
        raise PromoRefused("The code must end after it begins.")
    if promo.max_uses is not None and not 1 <= promo.max_uses <= _MAX_USES:
        raise PromoRefused(f"The maximum of uses must be from 1 to {_MAX_USES}.")
