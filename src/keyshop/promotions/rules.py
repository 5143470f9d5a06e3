"""Decisions about promo codes, without any I/O."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

from keyshop.kit.money import cents
from keyshop.promotions.errors import (
    BadCode,
    BadMaxUses,
    BadPercent,
    BadPeriod,
    InvalidPromo,
    PromoNotActive,
    PromoNotValidNow,
    PromoUsedUp,
)
from keyshop.promotions.models import NewPromo, Promo

_MAX_LENGTH: Final = 100  # characters
_MAX_USES: Final = 2**31 - 1  # what the column holds
_is_new_code: Final = re.compile(f"[A-Z0-9_-]{{1,{_MAX_LENGTH}}}").fullmatch


def clean_code(text: str | None) -> str | None:
    """
    Return what a customer entered, ready for a query; None: nothing was entered.

    Raises:
        InvalidPromo: no code can be so long, or have such a character.
    """
    code = (text or "").strip()
    if len(code) > _MAX_LENGTH or not code.isprintable():
        raise InvalidPromo
    return code or None


def fold_code(text: str | None) -> str:
    """Return the same for all spellings of one code; empty: no code."""
    return (text or "").strip().upper()


def new_code(text: str) -> str:
    """
    Return the code as it is stored: in capital letters.

    Raises:
        BadCode: it is empty, too long, or has other characters than letters, digits, - and _.
    """
    # Some other letters become A to Z in capitals.
    code = text.strip().upper() if text.isascii() else ""
    if not _is_new_code(code):
        raise BadCode
    return code


def check_percent(percent: Decimal) -> None:
    """
    Check the discount of a new code.

    Raises:
        BadPercent: it is none, more than all, or has more decimals than are stored.
    """
    if not is_percent(percent) or percent != cents(percent):
        raise BadPercent


def check_new_limits(promo: NewPromo) -> None:
    """
    Check when and how often a new code may be used.

    Raises:
        BadPeriod: it ends before it begins.
        BadMaxUses: it could never be used, or its limit cannot be stored.
    """
    if promo.valid_until <= promo.valid_from:
        raise BadPeriod
    if promo.max_uses is not None and not 1 <= promo.max_uses <= _MAX_USES:
        raise BadMaxUses(_MAX_USES)


def is_percent(percent: Decimal) -> bool:
    """Test whether this can be a discount: more than nothing, at most all."""
    return percent.is_finite() and 0 < percent <= 100


def check_usable(promo: Promo, *, now: datetime) -> None:
    """
    Check that an order placed now may use the code; the first and the last moment count.

    Raises:
        InvalidPromo: its discount is impossible.
        PromoNotActive: it was switched off.
        PromoNotValidNow: its time has not begun, or is over.
        PromoUsedUp: it was used as often as it may be.
    """
    if not is_percent(promo.percent):
        raise InvalidPromo
    if not promo.active:
        raise PromoNotActive
    if not promo.valid_from <= now <= promo.valid_until:
        raise PromoNotValidNow
    if promo.max_uses is not None and promo.used_count >= promo.max_uses:
        raise PromoUsedUp


def discount(subtotal: Decimal, percent: Decimal) -> Decimal:
    """Return what the code takes off, in EUR, a half cent rounded up; never more than all."""
    return cents(subtotal * percent / 100)
