"""
Why a promo code is refused.

Invalid
├── InvalidPromo      a customer's code does not exist
├── PromoNotActive    it was switched off
├── PromoNotValidNow  its time has not begun, or is over
├── PromoUsedUp       it was used as often as it may be
└── PromoRefused      an operator's new code cannot be created as it is

Conflict
└── PromoExists       an operator's new code exists
"""

from keyshop.kit.errors import Conflict, Invalid


class InvalidPromo(Invalid):
    """There is no such code, or its discount is impossible."""

    def __init__(self) -> None:
        super().__init__("Invalid promo code")


class PromoNotActive(Invalid):
    def __init__(self) -> None:
        super().__init__("Promo code is not active")


class PromoNotValidNow(Invalid):
    """Its time has not begun, or is over."""

    def __init__(self) -> None:
        super().__init__("Promo code is not valid at this time")


class PromoUsedUp(Invalid):
    def __init__(self) -> None:
        super().__init__("Promo code has reached maximum uses")


class PromoRefused(Invalid):
    """A new promo code cannot be created; the message says what to correct."""


class PromoExists(Conflict):
    """There is a code of the same letters, perhaps in another case."""

    def __init__(self, code: str) -> None:
        super().__init__(f"There is a promo code {code} already; `keyshop promo list` shows it.")
