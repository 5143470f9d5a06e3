"""The signature of payment notifications: `sha256=` and the HMAC of the raw body, in hex."""

import hmac
from collections.abc import Sequence
from typing import Final

from keyshop.kit.secrets import Secret

_PREFIX: Final = "sha256="


def sign(secret: Secret, body: bytes) -> str:
    """Return the header `x-payment-signature` of a notification."""
    return _PREFIX + hmac.digest(secret.reveal().encode(), body, "sha256").hex()


def is_signed(secrets: Sequence[Secret], body: bytes, signature: str | None) -> bool:
    """Test whether the header is the body's, by any of the secrets."""
    # In bytes: the comparison of texts refuses letters outside ASCII.
    given = (signature or "").encode()
    # All are compared, so that the time does not depend on which one fits.
    matches = [hmac.compare_digest(sign(secret, body).encode(), given) for secret in secrets]
    return any(matches)
