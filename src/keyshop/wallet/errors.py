"""Refusals of money."""

from typing import Final

from keyshop.kit.errors import Invalid, NotFound, TooMany, Unauthenticated, Unavailable

_RETRY_LATER: Final = 3600.0  # seconds; a pending top-up expires within a day


class InsufficientBalance(Invalid):
    def __init__(self) -> None:
        super().__init__("Insufficient balance")


class BalanceTooLarge(Invalid):
    """The credit, with what is pending, would exceed the largest balance."""

    def __init__(self) -> None:
        super().__init__("The balance may not exceed 1000000 EUR.")


class BadAmount(Invalid):
    """The amount is not a number of euros and cents within the limits."""

    def __init__(self) -> None:
        super().__init__("Amount must be between 0.01 and 1000000 EUR, with at most two decimals.")


class BadCurrency(Invalid):
    def __init__(self) -> None:
        super().__init__("Only EUR is accepted.")


class BadMethod(Invalid):
    def __init__(self) -> None:
        super().__init__("Payment method must be trustly, card, klarna or apple.")


class TopUpsUnavailable(Unavailable):
    """The shop has no payment provider."""

    def __init__(self) -> None:
        super().__init__("Top-ups are not available at the moment.")


class TooManyTopUps(TooMany):
    """The customer has begun the maximum of top-ups without paying them."""

    def __init__(self) -> None:
        super().__init__(
            "Too many unpaid top-ups. Please pay one of them, or try again later.",
            retry_after=_RETRY_LATER,
        )


class BadPaymentSignature(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("Invalid payment signature")


class BadNotification(Invalid):
    """The body of a payment notification cannot be understood."""

    def __init__(self) -> None:
        super().__init__("Invalid payment notification")


class IntentIdMissing(Invalid):
    def __init__(self) -> None:
        super().__init__("intentId is required")


class PaymentNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("Payment not found")
