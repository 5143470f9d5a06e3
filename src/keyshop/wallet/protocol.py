"""The protocol of payment providers, which gateways/payments implements."""

from typing import Protocol

from msgspec import Struct

from keyshop.kit.errors import Unavailable
from keyshop.wallet.models import Intent


class Redirect(Struct, frozen=True, kw_only=True):
    """Where the customer pays."""

    url: str
    provider_id: str | None = None
    """The provider's own id of the payment, if it gives one."""


class ProviderUnavailable(Unavailable):
    """The payment provider does not answer, or refuses at the moment."""

    def __init__(self) -> None:
        super().__init__("The payment provider does not answer. Please try again later.")


class PaymentProvider(Protocol):
    @property
    def name(self) -> str:
        """Stored with every top-up, and so never changed."""
        ...

    async def begin(self, intent: Intent) -> Redirect:
        """
        Prepare the payment of a top-up; its notification must name the intent's id.

        Raises:
            ProviderUnavailable: nothing was prepared, or it is not known.
        """
        ...
