"""Promo codes as they are stored."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Promo(Struct, frozen=True, kw_only=True):
    """A row of `promo_codes`. Times are UTC."""

    id: str
    code: str
    percent: Decimal
    """Of the subtotal; the column `discount`."""

    max_uses: int | None
    used_count: int
    valid_from: datetime
    valid_until: datetime
    active: bool


class NewPromo(Struct, frozen=True, kw_only=True):
    """A promo code to create."""

    code: str
    percent: Decimal
    max_uses: int | None
    valid_from: datetime
    valid_until: datetime
