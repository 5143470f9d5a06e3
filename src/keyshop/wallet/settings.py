"""How customers pay in."""

from collections.abc import Sequence

from msgspec import Struct

from keyshop.kit.secrets import Secret
from keyshop.wallet.protocol import PaymentProvider


class PaymentSettings(Struct, frozen=True, kw_only=True):
    """The payment provider, and what its notifications are signed with."""

    provider: PaymentProvider | None = None
    """None: customers cannot pay in."""

    secrets: Sequence[Secret] = ()
    """Each of them is accepted; without one, every notification is refused."""
