"""Rounding of money."""

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """
    Return the amount in whole cents, a half cent rounded up.

    PostgreSQL would round a longer fraction to the column's scale in silence, so every amount
    passes here before it is stored.
    """
    return amount.quantize(_CENT, rounding=ROUND_HALF_UP)
