"""What a shop sets for its carts and wishlists."""

from typing import Final

from msgspec import Struct

from keyshop.kit.secrets import Secret

DEFAULT_MAX_QUANTITY: Final = 99
DEFAULT_MAX_LINES: Final = 100
DEFAULT_GUEST_SESSIONS: Final = 600
"""Per hour and client; a mobile carrier's customers share addresses."""


class BasketLimits(Struct, frozen=True, kw_only=True):
    """How much a cart and a wishlist hold."""

    max_quantity: int = DEFAULT_MAX_QUANTITY
    """Keys of one game."""

    max_lines: int = DEFAULT_MAX_LINES
    """Games in a cart."""

    max_wishes: int = 1000
    """Games on a wishlist."""

    guest_sessions_per_hour: int = DEFAULT_GUEST_SESSIONS
    """New sessions of one client in any hour; half of them at once."""


class BasketSettings(Struct, frozen=True, kw_only=True):
    """Made once, when a process starts."""

    limits: BasketLimits = BasketLimits()

    session_secret: Secret
    """The key with which `next_session_id` computes ids; all processes of a shop have the same."""
