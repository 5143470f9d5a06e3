"""Spreads an amount over parts, to the cent."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


def spread(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """
    Return parts in proportion to the weights, in whole cents, whose sum is exactly the total.

    Each part is its share rounded down; the cents that remain go to the parts that lost the most by
    rounding, among equals to the first. A part never exceeds its weight unless the total exceeds
    their sum.

    Raises:
        ValueError: an amount is negative or not finite, the total has a fraction of a cent, or there
            is a total but no weight.
    """
    exact = Fraction(total) * 100
    shares = [Fraction(weight) for weight in weights]
    if exact < 0 or exact.denominator != 1 or any(share < 0 for share in shares):
        raise ValueError("Amounts are finite, not negative, and the total is in whole cents.")
    whole = sum(shares)
    if not whole:
        if exact:
            raise ValueError("A total needs a weight to be spread over.")
        return [_euros(0) for _ in shares]
    quotas = [exact * share / whole for share in shares]
    parts = [int(quota) for quota in quotas]
    by_loss = sorted(range(len(parts)), key=lambda index: parts[index] - quotas[index])
    for index in by_loss[: int(exact) - sum(parts)]:
        parts[index] += 1
    return [_euros(part) for part in parts]


def _euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
