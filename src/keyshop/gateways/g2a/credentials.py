"""The credentials for G2A, and the header that it derives from them by a hash."""

from hashlib import sha256

from msgspec import Struct

from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret


class G2ACredentials(Struct, frozen=True, kw_only=True):
    """
    The three values from the merchant's dashboard at G2A.

    Raises:
        Invalid: the client id is not allowed in a header.
    """

    client_id: str
    email: str
    client_secret: Secret

    def __post_init__(self) -> None:
        """Refuse here what the HTTP library would refuse with the whole header in its message."""
        if not self.client_id or not self.client_id.isascii() or not self.client_id.isprintable():
            raise Invalid(
                "The G2A client id must be plain printable text, without line breaks or accents."
            )

    def api_key(self) -> Secret:
        """Return the key; G2A derives the same one from its copy of the secret."""
        parts = self.client_id + self.email + self.client_secret.reveal()
        return Secret(sha256(parts.encode()).hexdigest())

    def authorization(self) -> Secret:
        """Return the value of the Authorization header, which is the same for every call."""
        return Secret(f"{self.client_id}, {self.api_key().reveal()}")

    def appear_in(self, text: str) -> bool:
        """Test whether the text contains any of the credentials."""
        secrets = (
            self.client_id,
            self.email,
            self.client_secret.reveal(),
            self.api_key().reveal(),
        )
        return any(secret in text for secret in secrets if secret)
