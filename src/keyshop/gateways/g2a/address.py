"""The address of the buyer API, as people write it in settings."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from keyshop.kit.errors import Invalid

_VERSION = "/v1"


def api_root(base_url: str) -> str:
    """
    Return the address that paths are appended to, ending in /v1 once.

    Raises:
        Invalid: it is no HTTP address, or carries a name and password.
    """
    try:
        parts = urlsplit(base_url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise Invalid("The G2A API's address must look like https://host or https://host/v1.")
    if parts.username is not None or parts.password is not None:
        # It would replace our own Authorization header, and appear in logs.
        raise Invalid("The G2A API's address must not contain a name or a password.")
    root = base_url.strip().rstrip("/")
    return root if root.endswith(_VERSION) else root + _VERSION


def is_on_this_machine(base_url: str) -> bool:
    """Test whether the address is a loopback one, which no proxy may be asked for."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
