"""The address of the buyer API in settings."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from keyshop.kit.errors import Invalid

_VERSION = "/v1"


def api_root(base_url: str) -> str:
    """
    Return the address that paths are appended to; it ends in /v1.

    Raises:
        Invalid: it is not an HTTP address, or contains a name or a password.
    """
    try:
        parts = urlsplit(base_url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise Invalid("The G2A API's address must look like https://host or https://host/v1.")
    if parts.username is not None or parts.password is not None:
        # They would replace our Authorization header, and appear in logs.
        raise Invalid("The G2A API's address must not contain a name or a password.")
    root = base_url.strip().rstrip("/")
    return root if root.endswith(_VERSION) else root + _VERSION


def is_on_this_machine(base_url: str) -> bool:
    """Test whether the address is a loopback address, which a proxy cannot reach."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
