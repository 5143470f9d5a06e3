"""The client's address: forwarding headers count only if a trusted proxy wrote them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import HTTPScope

from keyshop.entrypoints.http.client_address import Network, TrustedProxies

TRUSTED: list[Network] = [IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8")]
PROXIES = TrustedProxies(TRUSTED)


def scope_of(peer: str | None, *forwarded: str, proto: str | None = None) -> HTTPScope:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    if proto is not None:
        headers.append((b"x-forwarded-proto", proto.encode()))
    client = None if peer is None else (peer, 4711)
    scope = {"type": "http", "scheme": "http", "headers": headers, "client": client}
    return cast("HTTPScope", scope)


class TestClientAddress:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "client"),
        [
            ("203.0.113.5", [], "203.0.113.5"),
            # No trusted proxy reports it.
            ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
            ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
            # Entries to the left of an untrusted one are written by the client.
            ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
            ("10.0.0.1", ["203.0.113.5, 10.0.0.2"], "203.0.113.5"),
            ("10.0.0.1", ["198.51.100.1", "203.0.113.5", "10.0.0.2"], "203.0.113.5"),
            ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
            ("::ffff:10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
            ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
            ("10.0.0.1", ["[2001:db8::5]:4711"], "2001:db8::5"),
            ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", ["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", [""], "10.0.0.1"),
            ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (None, ["198.51.100.1"], "0.0.0.0"),
        ],
    )
    def test_is_the_nearest_address_that_is_not_a_trusted_proxy(self, peer, forwarded, client):
        assert PROXIES.client_address(scope_of(peer, *forwarded)) == client

    def test_is_the_peer_if_no_proxy_is_trusted(self):
        assert TrustedProxies([]).client_address(scope_of("10.0.0.1", "203.0.113.5")) == "10.0.0.1"

    @given(
        invented=st.lists(st.text(st.characters(max_codepoint=255)), max_size=40),
        stranger=st.ip_addresses().filter(lambda ip: not any(ip in network for network in TRUSTED)),
        hops=st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=5),
    )
    def test_is_never_forged_by_the_client(
        self, invented: list[str], stranger: IPv4Address | IPv6Address, hops: list[int]
    ):
        mapped = stranger.ipv4_mapped if isinstance(stranger, IPv6Address) else None
        if mapped is not None and any(mapped in network for network in TRUSTED):
            return
        proxies = [str(IPv4Address("10.0.0.0") + hop) for hop in hops]
        # Each trusted proxy appends its peer; the last proxy is the peer of the connection.
        *written, peer = [str(stranger), *proxies]
        scope = scope_of(peer, ", ".join([*invented, *written]))

        assert PROXIES.client_address(scope) == str(mapped or stranger)


class TestEncryption:
    @pytest.mark.parametrize(
        ("peer", "proto", "encrypted"),
        [
            ("10.0.0.1", "https", True),
            ("10.0.0.1", "HTTPS, http", True),
            ("10.0.0.1", "http", False),
            ("10.0.0.1", None, False),
            ("203.0.113.5", "https", False),
        ],
    )
    def test_is_reported_only_by_trusted_proxies(self, peer, proto, encrypted):
        assert PROXIES.is_encrypted(scope_of(peer, proto=proto)) is encrypted

    def test_is_detected_on_a_direct_connection(self):
        scope = scope_of("203.0.113.5")
        scope["scheme"] = "https"

        assert TrustedProxies([]).is_encrypted(scope)
