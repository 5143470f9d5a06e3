"""Who we are to G2A: the constant header of its hash scheme."""

from hashlib import sha256

from msgspec import Struct

from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret


class G2ACredentials(Struct, frozen=True, kw_only=True):
    """
    The three values from the merchant's dashboard.

    Raises:
        Invalid: the client id cannot stand in a header.
    """

    client_id: str
    email: str
    client_secret: Secret

    def __post_init__(self) -> None:
        """Refuse what the HTTP library would refuse by printing the whole header."""
        if not self.client_id or not self.client_id.isascii() or not self.client_id.isprintable():
            raise Invalid(
                "The G2A client id must be plain printable text, without line breaks or accents."
            )

    def api_key(self) -> Secret:
        """Return the key that G2A derives in the same way from its own copy of the secret."""
        parts = self.client_id + self.email + self.client_secret.reveal()
        return Secret(sha256(parts.encode()).hexdigest())

    def authorization(self) -> Secret:
        """Return the value of the Authorization header, the same for every call."""
        return Secret(f"{self.client_id}, {self.api_key().reveal()}")

    def appear_in(self, text: str) -> bool:
        """Test whether the text gives any of the credentials away."""
        secrets = (
            self.client_id,
            self.email,
            self.client_secret.reveal(),
            self.api_key().reveal(),
        )
        return any(secret in text for secret in secrets if secret)
