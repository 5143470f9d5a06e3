"""What a shop sets for its carts and wishlists."""

from msgspec import Struct

from keyshop.kit.secrets import Secret


class BasketLimits(Struct, frozen=True, kw_only=True):
    """How much a cart and a wishlist hold."""

    max_quantity: int = 99
    """Keys of one game."""

    max_lines: int = 100
    """Games in a cart."""

    max_wishes: int = 1000
    """Games on a wishlist."""


class BasketSettings(Struct, frozen=True, kw_only=True):
    """Made once, when a process starts."""

    limits: BasketLimits = BasketLimits()

    session_secret: Secret
    """From which `next_session_id` computes; all processes of a shop have the same."""
