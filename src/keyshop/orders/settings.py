"""What a shop sets for its orders."""

from typing import Final

from msgspec import Struct

from keyshop.baskets.settings import DEFAULT_MAX_QUANTITY

DEFAULT_MAX_UNITS: Final = 100


class OrderLimits(Struct, frozen=True, kw_only=True):
    """How much an order holds."""

    max_quantity: int = DEFAULT_MAX_QUANTITY
    """Keys of one game; as in a cart."""

    max_units: int = DEFAULT_MAX_UNITS
    """Keys of all games together."""
