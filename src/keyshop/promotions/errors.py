"""Why a promo code is refused."""

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


class BadCode(Invalid):
    """A new code has characters that a customer could mistake, or too many of them."""

    def __init__(self) -> None:
        super().__init__(
            "A promo code must have 1 to 100 characters: letters A to Z, digits, - and _."
        )


class BadPercent(Invalid):
    def __init__(self) -> None:
        super().__init__("The discount must be above 0 and at most 100 percent, in hundredths.")


class BadPeriod(Invalid):
    """A new code's time ends before it begins."""

    def __init__(self) -> None:
        super().__init__("A promo code must end after it begins.")


class BadMaxUses(Invalid):
    """A new code could never be used, or its limit cannot be stored."""

    def __init__(self, highest: int) -> None:
        super().__init__(f"The maximum of uses must be from 1 to {highest}.")


class PromoExists(Conflict):
    """There is a code of the same letters, perhaps in another case."""

    def __init__(self, code: str) -> None:
        super().__init__(f"There is a promo code {code} already; `keyshop promo list` shows it.")
