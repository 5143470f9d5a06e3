"""
The protocol's operations on Redis: GET, ACQUIRE, FILL and RELEASE, and the meaning of their replies.

A value is served only if trust holds before the command and again after the reply.
"""

import secrets
from contextlib import suppress
from typing import Final, TypeAlias

from msgspec import Struct

from keyshop.kit.cache.control import Control
from keyshop.kit.cache.deadline import (
    READ_TIMEOUT,
    describe_distance,
    fits_twice,
    is_too_far,
)
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.markers import Markers
from keyshop.kit.cache.protocol import Loaded
from keyshop.kit.cache.redis.connection import RedisConnection, Reply
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.key_names import generation_name, lease_name, markers_name, token_name
from keyshop.kit.cache.redis.scripts import ACQUIRE, FILL, RELEASE
from keyshop.kit.cache.redis.supervisor import RedisSupervisor
from keyshop.kit.cache.trust_view import TrustView

FILL_TIMEOUT: Final = 0.25  # seconds

# Raised when the form of the payloads changes. A release neither serves nor is served the values of
# another form, also while processes of both run: each finds the other's values missing.
_FORMAT: Final = 2


class Lease(Struct, frozen=True):
    """The right to fill a key, with the connection and the control row of its ACQUIRE."""

    connection: RedisConnection
    control: Control
    token: str
    generation: bytes


class Hit(Struct, frozen=True):
    """A value in Redis that may be served; an empty payload means that the object is absent."""

    payload: bytes


class MissReason(Struct, frozen=True):
    """Why Redis gave no answer; `name` is the metric's label."""

    name: str


LookupResult: TypeAlias = Hit | Lease | MissReason

MISS: Final = MissReason("miss")
BUSY: Final = MissReason("busy")  # a transaction is changing the key or its group
WAIT: Final = MissReason("wait")  # another process holds the lease
BYPASS: Final = MissReason("bypass")  # Redis is not trusted, or did not reply
FAR: Final = MissReason("far")  # no reply would come in time


class CacheOperations:
    """The operations of one process, over its connection and its view of the control row."""

    def __init__(self, view: TrustView, redis: RedisSupervisor, markers: Markers) -> None:
        self._view = view
        self._redis = redis
        self._markers = markers

    @property
    def redis_fault(self) -> str | None:
        """Why there is no connection to Redis, or none that is quick enough; None: there is one."""
        connection = self._redis.connection
        if connection is not None and is_too_far(connection.round_trip):
            return describe_distance(connection.round_trip)
        return self._redis.fault

    @property
    def has_time_for_get(self) -> bool:
        """Whether GET can be sent before ACQUIRE; otherwise a read sends only one of them."""
        connection = self._redis.connection
        return connection is None or fits_twice(connection.round_trip)

    async def find_fault(self) -> str | None:
        """Return a sentence on why Redis is not used; None: it answers, and it is trusted."""
        connection = self._redis.connection
        if connection is None:
            return "Redis cannot be used; see keyshop cache status."
        try:
            await connection.ping()
        except RedisFault:
            return "Redis does not answer in time."
        if is_too_far(connection.round_trip):
            return describe_distance(connection.round_trip)
        if self.trust(connection) is None:
            return "Redis answers, and the cache does not trust it; see keyshop cache status."
        return None

    def trust(self, connection: RedisConnection) -> Control | None:
        """TRUST: return the control row if this connection's replies may be served now."""
        return self._view.find_trusted(connection.incarnation)

    async def get(self, key: CacheKey, *, timeout: float = READ_TIMEOUT) -> LookupResult:
        """GET: return the value in Redis, or why it cannot be served; wait `timeout` seconds."""
        connection = self._find_connection(timeout)
        if isinstance(connection, MissReason):
            return connection
        control = self.trust(connection)
        if control is None:
            return BYPASS
        generation = generation_name(control.shop, key.family.group)
        try:
            reply = await connection.call(
                "MGET", key.name, generation, token_name(control.shop), timeout=timeout
            )
        except RedisFault:
            return BYPASS
        self._redis.reset_failures()
        return self._parse_get_reply(connection, control, key, reply)

    async def acquire(self, key: CacheKey, *, timeout: float = READ_TIMEOUT) -> LookupResult:
        """ACQUIRE: return the lease, or the value, or why there is neither; as `get`."""
        connection = self._find_connection(timeout)
        if isinstance(connection, MissReason):
            return connection
        control = self.trust(connection)
        if control is None:
            return BYPASS
        token, generation = secrets.token_hex(8), secrets.token_hex(8)
        try:
            reply = await connection.run_script(
                ACQUIRE,
                _script_keys(control, key),
                (connection.token, key_head(control, key), token, generation),
                timeout=min(timeout, READ_TIMEOUT),
            )
        except RedisFault:
            # The lease that a late ACQUIRE takes would keep the key unfilled until it expires.
            with suppress(RedisFault):
                _post_release(connection, control, key, token)
            return BYPASS
        self._redis.reset_failures()
        return self._parse_acquire_reply(connection, control, key, token, reply)

    async def fill(self, key: CacheKey, lease: Lease, loaded: Loaded, *, ttl: float) -> str:
        """FILL: store the loaded value for `ttl` seconds, unless something changed since ACQUIRE."""
        control = self.trust(lease.connection)
        if control is None or control.seq != lease.control.seq or control.tag != lease.control.tag:
            return "skipped"
        value = _value_head(lease.control, key, lease.generation) + (loaded.payload or b"")
        try:
            accepted = await lease.connection.run_script(
                FILL,
                _script_keys(lease.control, key),
                (lease.connection.token, lease.token, lease.generation, value, int(ttl * 1000)),
                timeout=FILL_TIMEOUT,
            )
        except RedisFault:
            return "failed"
        return "accepted" if accepted else "refused"

    async def release(self, key: CacheKey, lease: Lease) -> None:
        """RELEASE: delete the lease, so that other processes need not wait until it expires."""
        name = lease_name(lease.control.shop, key.name)
        with suppress(RedisFault):
            await lease.connection.run_script(
                RELEASE, (name,), (lease.token,), timeout=FILL_TIMEOUT
            )

    def _find_connection(self, timeout: float) -> RedisConnection | MissReason:
        """Return the connection if a reply can be expected within `timeout` seconds."""
        connection = self._redis.connection
        if connection is None or connection.is_late:
            return BYPASS
        if is_too_far(connection.round_trip):
            return FAR
        return BYPASS if connection.round_trip >= timeout else connection

    def _parse_get_reply(
        self, connection: RedisConnection, control: Control, key: CacheKey, reply: Reply
    ) -> LookupResult:
        if not isinstance(reply, list) or reply[2:] != [connection.token.encode()]:
            connection.close()  # emptied, another server, or the reply to another command
            return BYPASS
        value, generation = reply[:2]
        if not isinstance(value, bytes) or not isinstance(generation, bytes):
            return MISS
        return self._check_value(connection, control, value, _value_head(control, key, generation))

    def _parse_acquire_reply(
        self,
        connection: RedisConnection,
        control: Control,
        key: CacheKey,
        token: str,
        reply: Reply,
    ) -> LookupResult:
        match reply:
            case [b"LEASE", bytes(generation)]:
                return Lease(connection, control, token, generation)
            case [b"HIT", bytes(value), bytes(generation)]:
                head = _value_head(control, key, generation)
                return self._check_value(connection, control, value, head)
            case [b"BUSY", list(key_markers), list(group_markers)]:
                self._markers.clean(connection, key.name, key_markers)
                self._markers.clean(connection, key.family.group, group_markers)
                return BUSY
            case [b"WAIT"]:
                return WAIT
            case _:
                connection.close()  # the server holds another token
                return BYPASS

    def _check_value(
        self, connection: RedisConnection, control: Control, value: bytes, head: bytes
    ) -> LookupResult:
        """Return the payload if the value has this head and trust still holds after the reply."""
        if not value.startswith(head):
            return MISS
        after = self.trust(connection)
        if after is None or after.tag != control.tag:
            return BYPASS
        return Hit(value[len(head) :])


def _post_release(connection: RedisConnection, control: Control, key: CacheKey, token: str) -> None:
    name = lease_name(control.shop, key.name)
    connection.post_script(RELEASE, (name,), (token,), timeout=FILL_TIMEOUT)


def _value_head(control: Control, key: CacheKey, generation: bytes) -> bytes:
    """Return what a value of this key and generation begins with; the rest is the payload."""
    return key_head(control, key).encode() + generation + b"|"


def key_head(control: Control, key: CacheKey) -> str:
    """Return what every value of this key begins with; its generation follows."""
    return f"{_FORMAT}|{control.tag}|{key.name}|"


def _script_keys(control: Control, key: CacheKey) -> tuple[str, ...]:
    """Return the KEYS of ACQUIRE and FILL."""
    shop, group = control.shop, key.family.group
    return (
        token_name(shop),
        key.name,
        lease_name(shop, key.name),
        markers_name(shop, key.name),
        generation_name(shop, group),
        markers_name(shop, group),
    )
