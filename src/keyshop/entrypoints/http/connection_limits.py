"""Limits on the connections of one API process, and the connections that they are applied to."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import Final, Protocol

import prometheus_client
import structlog
from msgspec import Struct

from keyshop.entrypoints.http.client_address import Network, parse_address

_CUT: Final = prometheus_client.Counter(
    "keyshop_http_connections_cut_total",
    "Connections that were refused or closed because they reached a limit.",
    ["reason"],
)
_CHECKS_PER_LIMIT: Final = 10
_MAX_CHECK_INTERVAL: Final = 0.5  # seconds
_WARNING_INTERVAL: Final = 60.0  # seconds: many clients may be refused each second
_IPV6_SITE: Final = 64  # bits of an address that one customer's line has in common

_log = structlog.get_logger()


class ConnectionLimits(Struct, frozen=True, kw_only=True):
    """What a client may take of the server; all times in seconds, all sizes in bytes."""

    head_size: int = 64 * 1024
    """Request line and header fields. What a chunked body has besides its data counts as well."""

    head_fields: int = 100
    pipelined: int = 100
    """Requests that are sent before the first of them is answered."""

    head_time: float = 10.0
    body_time: float = 30.0
    body_rate: int = 500
    """The least number of bytes per second of a body, once `body_rate_after` is over."""

    body_rate_after: float = 5.0
    idle_time: float = 5.0
    """How long a connection is kept for the next request."""

    send_time: float = 30.0
    """How long a client may take none of the response that waits for it."""

    linger_time: float = 2.0
    """How long a refused client's bytes are read and dropped, so that it can read the refusal."""

    connections: int = 4096
    connections_per_client: int = 256


class Connection(Protocol):
    """A connection that is checked at intervals."""

    def close_if_late(self, now: float) -> None:
        """Close the connection if it has reached a deadline; `now` is the event loop's time."""


class Connections:
    """The open connections of this process, and how many each client has."""

    def __init__(self, limits: ConnectionLimits, trusted_proxies: Sequence[Network] = ()) -> None:
        """
        Begin without connections.

        Args:
            limits: What a client may take.
            trusted_proxies: Addresses that stand for many clients, so that no number is too high.
        """
        self.limits = limits
        self._trusted = tuple(trusted_proxies)
        self._clients = dict[Connection, str | None]()
        self._tally = Tally[str]()
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at = -_WARNING_INTERVAL
        shortest = min(limits.head_time, limits.body_time, limits.idle_time, limits.send_time)
        self._interval = min(shortest / _CHECKS_PER_LIMIT, _MAX_CHECK_INTERVAL)

    def admit(
        self, connection: Connection, address: str | None, loop: asyncio.AbstractEventLoop
    ) -> bool:
        """Add the connection, unless its client or all of them have too many; `remove` ends it."""
        client = self._client(address)
        if len(self._clients) >= self.limits.connections:
            self._note_refusal("too_many", address)
            return False
        if client is not None:
            if self._tally[client] >= self.limits.connections_per_client:
                self._note_refusal("too_many_of_client", address)
                return False
            self._tally[client] += 1
        self._clients[connection] = client
        if self._timer is None:
            self._timer = loop.call_later(self._interval, self._check, loop)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended; one that was not admitted is ignored."""
        client = self._clients.pop(connection, None)
        if client is not None:
            self._tally[client] -= 1
            if not self._tally[client]:
                del self._tally[client]

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._clients):
            connection.close_if_late(now)
        # Without connections nothing is checked: an idle process sleeps.
        self._timer = loop.call_later(self._interval, self._check, loop) if self._clients else None

    def _client(self, address: str | None) -> str | None:
        """Return what is counted as one client; None for a trusted proxy or a local socket."""
        parsed = parse_address(address) if address else None
        if parsed is None or any(parsed in network for network in self._trusted):
            return None
        if isinstance(parsed, IPv6Address):
            return str(IPv6Network((parsed, _IPV6_SITE), strict=False))
        return str(parsed)

    def _note_refusal(self, reason: str, address: str | None) -> None:
        count_cut(reason)
        now = time.monotonic()
        if now - self._warned_at >= _WARNING_INTERVAL:
            self._warned_at = now
            _log.warning(
                "connection.refused", reason=reason, client=address, open=len(self._clients)
            )


def count_cut(reason: str) -> None:
    """Count a connection that was refused or closed because it reached a limit."""
    _CUT.labels(reason).inc()
