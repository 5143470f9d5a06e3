"""The client's address: forwarding headers count only if a trusted proxy wrote them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import HTTPScope

from keyshop.entrypoints.http.client_address import (
    Hop,
    Network,
    TrustedProxies,
    parse_forwarded,
)

TRUSTED: list[Network] = [IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8")]
PROXIES = TrustedProxies(TRUSTED)
RFC_7239 = TrustedProxies(TRUSTED, "forwarded")


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


def forwarded_scope(peer: str, *lines: str) -> HTTPScope:
    headers = [(b"forwarded", line.encode("latin-1")) for line in lines]
    scope = {"type": "http", "scheme": "http", "headers": headers, "client": (peer, 4711)}
    return cast("HTTPScope", scope)


class TestForwarded:
    @pytest.mark.parametrize(
        ("peer", "lines", "client", "encrypted"),
        [
            ("10.0.0.1", ["for=203.0.113.5;proto=https"], "203.0.113.5", True),
            ("10.0.0.1", ['Proto=HTTP; For="203.0.113.5:80"'], "203.0.113.5", False),
            ("10.0.0.1", ['for="[2001:db8::5]:4711";proto="https"'], "2001:db8::5", True),
            ("10.0.0.1", ["for=198.51.100.1;proto=https, for=203.0.113.5"], "203.0.113.5", False),
            ("10.0.0.1", ["for=203.0.113.5;proto=https, for=10.0.0.2"], "203.0.113.5", True),
            ("10.0.0.1", ["for=198.51.100.1", "for=203.0.113.5"], "203.0.113.5", False),
            ("10.0.0.1", ['for="open, for=203.0.113.5;proto=https'], "203.0.113.5", True),
            ("10.0.0.1", ['for=203.0.113.5;host="a, b;c"'], "203.0.113.5", False),
            ("10.0.0.1", ["for=_hidden;proto=https"], "10.0.0.1", False),
            ("10.0.0.1", ["proto=https;by=10.0.0.1"], "10.0.0.1", False),
            ("10.0.0.1", ["for=198.51.100.1, for=unknown"], "10.0.0.1", False),
            ("10.0.0.1", ["for=198.51.100.1, for"], "10.0.0.1", False),
            ("10.0.0.1", ["for=198.51.100.1;for=10.0.0.3"], "10.0.0.1", False),
            ("10.0.0.1", [""], "10.0.0.1", False),
            ("203.0.113.5", ["for=198.51.100.1;proto=https"], "203.0.113.5", False),
        ],
    )
    def test_is_read_when_trusted_proxies_set_it(self, peer, lines, client, encrypted):
        scope = forwarded_scope(peer, *lines)

        assert RFC_7239.client_address(scope) == client
        assert RFC_7239.is_encrypted(scope) is encrypted

    def test_is_ignored_where_the_proxies_set_the_other_header(self):
        scope = forwarded_scope("10.0.0.1", "for=203.0.113.5;proto=https")

        assert PROXIES.client_address(scope) == "10.0.0.1"
        assert not PROXIES.is_encrypted(scope)
        other = scope_of("10.0.0.1", "203.0.113.5", proto="https")
        assert RFC_7239.client_address(other) == "10.0.0.1"
        assert not RFC_7239.is_encrypted(other)

    @given(
        invented=st.lists(st.text(st.characters(max_codepoint=255)) | st.text('for=",;\\ 1.')),
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
        client = f'"[{stranger}]"' if stranger.version == 6 else str(stranger)
        *written, peer = [f"for={client};proto=https", *(f"for={proxy}" for proxy in proxies)]
        scope = forwarded_scope(peer.removeprefix("for="), ", ".join([*invented, *written]))

        assert RFC_7239.client_address(scope) == str(mapped or stranger)

    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(min_codepoint=32, max_codepoint=126)),
                st.sampled_from(["http", "https", ""]),
            ),
            max_size=6,
        )
    )
    def test_is_read_as_it_was_written(self, hops: list[tuple[str, str]]):
        def quoted(text: str) -> str:
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

        # A comma in a quotation could be where an element ends, so no proxy writes one in `for`.
        hops = [(host.replace(",", "").replace('"', ""), proto) for host, proto in hops]
        value = ", ".join(
            f"for={quoted(host)}" + (f";proto={proto}" if proto else "") for host, proto in hops
        )

        assert list(parse_forwarded(value)) == [Hop(*hop) for hop in hops[::-1]]

    @given(st.text(st.characters(max_codepoint=255)) | st.text('for=",;\\ 1.', max_size=200))
    def test_of_any_text_is_read_without_an_error(self, value: str):
        assert all(isinstance(hop, Hop) for hop in parse_forwarded(value))


class TestLocalClient:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "local"),
        [
            ("127.0.0.1", [], True),
            ("::1", [], True),
            ("::ffff:127.0.0.1", [], True),
            ("203.0.113.5", [], False),
            # A proxy that the settings do not name: its clients are not local.
            ("127.0.0.1", ["203.0.113.5"], False),
            ("127.0.0.1", ["127.0.0.1"], False),
            ("10.0.0.1", ["203.0.113.5"], False),
            ("10.0.0.1", ["127.0.0.1"], True),
            ("10.0.0.1", ["127.0.0.1, 203.0.113.5"], False),
            # A proxy beside the trusted one, which the settings do not name.
            ("10.0.0.1", ["203.0.113.5, 127.0.0.1"], False),
            (None, [], False),
        ],
    )
    def test_is_one_on_the_machine_itself(self, peer, forwarded, local):
        assert PROXIES.is_local(scope_of(peer, *forwarded)) is local

    def test_is_none_that_a_proxy_on_the_machine_hides(self):
        on_machine = TrustedProxies([IPv4Network("127.0.0.0/8")])

        assert on_machine.is_local(scope_of("127.0.0.1"))
        assert not on_machine.is_local(scope_of("127.0.0.1", "unknown"))
        assert not on_machine.is_local(forwarded_scope("127.0.0.1", "for=203.0.113.5"))
        assert not on_machine.is_local(scope_of("127.0.0.1", ""))
        assert not TrustedProxies([IPv4Network("127.0.0.0/8")], "forwarded").is_local(
            forwarded_scope("127.0.0.1", " ")
        )

    @pytest.mark.parametrize(
        "name",
        [
            "via",
            "forwarded",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-ray",
            "true-client-ip",
            "x-client-ip",
        ],
    )
    def test_is_none_of_a_proxy_that_shows_itself_otherwise(self, name: str):
        scope = scope_of("127.0.0.1")
        scope["headers"] = [(b"host", b"shop"), (name.encode(), b"x")]

        assert not TrustedProxies([]).is_local(scope)
        assert not RFC_7239.is_local(scope)

    def test_may_be_one_whose_trusted_proxy_reports_the_protocol_too(self):
        assert PROXIES.is_local(scope_of("10.0.0.1", "127.0.0.1", proto="http"))
