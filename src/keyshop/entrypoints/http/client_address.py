"""
Where a request comes from, as far as somebody we trust says so.

Forwarding headers are written by anybody. Each proxy adds at the right end who it heard from, so what
counts is read from the right, and only as long as the one who wrote it is trusted.
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


class Proxies:
    """The proxies in front of the shop whose forwarding headers count."""

    def __init__(self, networks: Sequence[Network]) -> None:
        """Remember their addresses."""
        self._networks = tuple(networks)

    def client_of(self, scope: HTTPScope) -> str:
        """Return the address of whoever asks: the nearest one that is not a proxy of ours."""
        nearest = _peer(scope)
        if not self._networks or not self._trusts(nearest):
            return str(nearest)
        for hop in _hops(scope):
            found = _parse(hop)
            if found is None:
                # Whatever stands left of it may have been written by anybody.
                break
            nearest = found
            if not self._trusts(found):
                break
        return str(nearest)

    def is_encrypted(self, scope: HTTPScope) -> bool:
        """Test whether the caller's own connection is encrypted."""
        if scope["scheme"] == "https":
            return True
        if not self._networks or not self._trusts(_peer(scope)):
            return False
        said = find_header(scope, b"x-forwarded-proto") or b""
        return said.partition(b",")[0].strip().lower() == b"https"

    def _trusts(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _peer(scope: HTTPScope) -> _Address:
    client = scope.get("client")
    return (_parse(client[0]) if client else None) or _UNKNOWN


def _hops(scope: HTTPScope) -> list[str]:
    """Return who heard from whom, the nearest first; of very many the farther ones are left out."""
    said = b",".join(list_headers(scope, b"x-forwarded-for")).decode("latin-1")
    return said.split(",")[::-1][:_MAX_HOPS] if said else []


def _parse(text: str) -> _Address | None:
    """Return the address in the text, which may have a port."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        # A zone such as %eth0 names a door of another machine.
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        # The same client over either protocol is one client.
        return found.ipv4_mapped
    return found
