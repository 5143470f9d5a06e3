"""
The client's address, as far as trusted proxies report it.

One header counts, FORWARDED_HEADER: a proxy that sets one of them passes the other on as the client
wrote it. Any client can send forwarding headers. Each proxy appends the address that connected to it, so the
list is read from the right, and only as long as the proxy that wrote an entry is trusted.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

from litestar.types import HTTPScope

from keyshop.entrypoints.http.headers import find_header, list_headers

Network: TypeAlias = IPv4Network | IPv6Network
_Address: TypeAlias = IPv4Address | IPv6Address

ForwardedHeader: TypeAlias = Literal["x-forwarded-for", "forwarded"]

_UNKNOWN: Final = IPv4Address(0)  # a connection without an address, such as a local socket
_MAX_HOPS: Final = 32
_MAX_LENGTH: Final = 4096  # characters of `Forwarded` that are looked at, from its end
# What proxies add to a request.
_PROXY_HEADERS: Final = frozenset({b"via", b"forwarded", b"x-real-ip", b"cdn-loop"})
_PROXY_PREFIXES: Final = (b"x-forwarded-", b"x-original-forwarded-", b"cf-")
_PROXY_SUFFIXES: Final = (b"-client-ip", b"-connecting-ip")

# RFC 7239: `for=192.0.2.60;proto=https, for="[2001:db8::17]:4711"`.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'
_PAIR: Final = re.compile(rf"[ \t]*({_WORD})=({_WORD}|{_QUOTED})[ \t]*(?:;|$)")


class Hop(NamedTuple):
    """What a proxy wrote of the connection that it received."""

    host: str
    proto: str = ""


class TrustedProxies:
    """The proxies in front of the shop whose forwarding headers are believed."""

    def __init__(
        self, networks: Sequence[Network], header: ForwardedHeader = "x-forwarded-for"
    ) -> None:
        """Believe the proxies of these networks, and of their headers only this one."""
        self._networks = tuple(networks)
        self._header = header

    def client_address(self, scope: HTTPScope) -> str:
        """Return the nearest address that is not a trusted proxy."""
        return str(self._follow(scope)[0])

    def is_local(self, scope: HTTPScope) -> bool:
        """
        Test whether the client is on the machine of the shop or of a trusted proxy.

        A proxy there that is not trusted, or that hides its clients, makes no client local; it is
        known by the headers that it adds.
        """
        added = {name for name, _ in scope["headers"] if _is_of_proxy(name)}
        hops: Iterator[Hop] = iter(())
        if self._is_trusted(_peer_address(scope)):
            added -= self._own_headers()
            hops = islice(self._list_hops(scope), _MAX_HOPS)
        is_near = all(self._is_local_or_trusted(hop) for hop in hops)
        return is_near and not added and self._follow(scope)[0].is_loopback

    def _own_headers(self) -> set[bytes]:
        """Return the names of the headers that are read from a trusted proxy."""
        if self._header == "forwarded":
            return {b"forwarded"}
        return {b"x-forwarded-for", b"x-forwarded-proto"}

    def _is_local_or_trusted(self, hop: Hop) -> bool:
        address = parse_address(hop.host)
        return address is not None and (address.is_loopback or self._is_trusted(address))

    def _follow(self, scope: HTTPScope) -> tuple[_Address, str]:
        """Return the client's address, and its protocol if reported."""
        nearest, proto = _peer_address(scope), ""
        if not self._networks or not self._is_trusted(nearest):
            return nearest, proto
        for hop in islice(self._list_hops(scope), _MAX_HOPS):
            address = parse_address(hop.host)
            if address is None:
                # The entries to the left of it may be forged.
                break
            nearest, proto = address, hop.proto
            if not self._is_trusted(address):
                break
        return nearest, proto

    def _list_hops(self, scope: HTTPScope) -> Iterator[Hop]:
        """Return what the header says, the nearest first; an empty header hides its client."""
        sent = list_headers(scope, self._header.encode())
        if not sent:
            return iter(())
        value = b",".join(sent).decode("latin-1")
        if self._header == "forwarded" and value.strip():
            return parse_forwarded(value)
        return (Hop(host) for host in value.split(",")[::-1])

    def is_encrypted(self, scope: HTTPScope) -> bool:
        """Test whether the client's own connection is encrypted."""
        if scope["scheme"] == "https":
            return True
        if not self._networks or not self._is_trusted(_peer_address(scope)):
            return False
        if self._header == "forwarded":
            return self._follow(scope)[1] == "https"
        schemes = find_header(scope, b"x-forwarded-proto") or b""
        return schemes.partition(b",")[0].strip().lower() == b"https"

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _is_of_proxy(name: bytes) -> bool:
    return (
        name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES) or name.endswith(_PROXY_SUFFIXES)
    )


def _peer_address(scope: HTTPScope) -> _Address:
    client = scope.get("client")
    return (parse_address(client[0]) if client else None) or _UNKNOWN


def parse_forwarded(value: str) -> Iterator[Hop]:
    """
    Yield the elements of a `Forwarded` header from its end, the nearest first.

    Its beginning is the client's, who may have opened a quotation; so it is never read from there.
    An element that cannot be read, or has no `for`, has an empty host, and is the last.
    """
    value = value[-_MAX_LENGTH:]
    while value.strip():
        comma, hop = len(value), None
        while hop is None and comma >= 0:
            comma = value.rfind(",", 0, comma)
            hop = _parse_element(value[comma + 1 :])
            if comma < 0:
                break
        yield hop or Hop("")
        if hop is None or comma < 0:
            return
        value = value[:comma]


def _parse_element(text: str) -> Hop | None:
    """Return the element; None if the text is not a whole one."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None or pair[1].lower() in found:
            return None
        found[pair[1].lower()] = _unquote(pair[2])
        position = pair.end()
    return Hop(found.get("for", ""), found.get("proto", "").lower()) if found else None


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


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
