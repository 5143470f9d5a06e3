"""The rows of promo codes."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Promo(Struct, frozen=True, kw_only=True):
    """A promo code."""

    id: str
    code: str
    """As it is stored; customers write it in any case of letters."""

    percent: Decimal
    """What it takes off an order; other programs may store impossible ones."""

    max_uses: int | None
    """None: without a limit."""

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
