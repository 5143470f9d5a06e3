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


class Seller(Struct, frozen=True, kw_only=True):
    """Who sells the keys, for the mails about orders; what is empty is left out."""

    name: str = ""
    address: str = ""
    """It may have several lines."""

    vat_note: str = ""
