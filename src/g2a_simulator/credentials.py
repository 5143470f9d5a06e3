"""The credentials of the buyer, and the header that the buyer API expects."""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256


@dataclass(frozen=True)
class BuyerCredentials:
    """A merchant's client id, e-mail and client secret."""

    client_id: str
    email: str
    client_secret: str = field(repr=False)

    @cached_property
    def header(self) -> str:
        """The value of the Authorization header."""
        text = self.client_id + self.email + self.client_secret
        return f"{self.client_id}, {sha256(text.encode()).hexdigest()}"


# The supplier publishes these for its own sandbox.
SANDBOX = BuyerCredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret="b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207",  # noqa: S106 - published
)
