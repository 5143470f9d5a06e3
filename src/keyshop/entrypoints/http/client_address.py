"""
The client's address, as far as trusted proxies report it.

Any client can send forwarding headers. Each proxy appends the address that connected to it, so the
list is read from the right, and only as long as the proxy that wrote an entry is trusted.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from litestar.types import HTTPScope

from keyshop.entrypoints.http.headers import find_header, list_headers

Network: TypeAlias = IPv4Network | IPv6Network
_Address: TypeAlias = IPv4Address | IPv6Address

_UNKNOWN: Final = IPv4Address(0)  # a connection without an address, such as a local socket
_MAX_HOPS: Final = 32


class TrustedProxies:
    """The proxies in front of the shop whose forwarding headers are believed."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def client_address(self, scope: HTTPScope) -> str:
        """Return the nearest address that is not a trusted proxy."""
        nearest = _peer_address(scope)
        if not self._networks or not self._is_trusted(nearest):
            return str(nearest)
        for hop in _list_hops(scope):
            address = parse_address(hop)
            if address is None:
                # The entries to the left of it may be forged.
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return str(nearest)

    def is_encrypted(self, scope: HTTPScope) -> bool:
        """Test whether the client's own connection is encrypted."""
        if scope["scheme"] == "https":
            return True
        if not self._networks or not self._is_trusted(_peer_address(scope)):
            return False
        schemes = find_header(scope, b"x-forwarded-proto") or b""
        return schemes.partition(b",")[0].strip().lower() == b"https"

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _peer_address(scope: HTTPScope) -> _Address:
    client = scope.get("client")
    return (parse_address(client[0]) if client else None) or _UNKNOWN


def _list_hops(scope: HTTPScope) -> list[str]:
    """Return the forwarded addresses, the nearest first and at most 32."""
    addresses = b",".join(list_headers(scope, b"x-forwarded-for")).decode("latin-1")
    return addresses.split(",")[::-1][:_MAX_HOPS] if addresses else []


def parse_address(text: str) -> _Address | None:
    """Return the address in the text, which may have a port; None if there is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        # A zone such as %eth0 names an interface of another machine.
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # The same client over either protocol counts as one client.
        return address.ipv4_mapped
    return address
