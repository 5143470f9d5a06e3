"""Rounding of money."""

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """
    Return the amount in whole cents, a half cent rounded up.

    Round every amount here before it is stored: PostgreSQL silently rounds a longer fraction to the
    column's scale.
    """
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)
