"""The demo provider, which takes no money: customers confirm on a page of the shop."""

from keyshop.wallet.models import Intent
from keyshop.wallet.protocol import Redirect


class DemoProvider:
    """Leads to the shop's own page, whose buttons send the notification."""

    def __init__(self, public_url: str) -> None:
        """`public_url` is the address at which customers reach the shop."""
        self._public_url = public_url.rstrip("/")

    @property
    def name(self) -> str:
        return "demo"

    async def begin(self, intent: Intent) -> Redirect:
        return Redirect(url=f"{self._public_url}/payment/demo/{intent.id}")
