"""Readers that leave out one rule of the protocol."""

import asyncio
import secrets
from datetime import datetime
from typing import ClassVar, Final

from msgspec.structs import replace

from keyshop.cache_keys import CART, ORDER, ORDERS
from keyshop.kit.cache.control import Control
from keyshop.kit.cache.deadline import READ_TIMEOUT
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.operations import (
    BYPASS,
    CacheOperations,
    Hit,
    Lease,
    LookupResult,
    key_head,
)
from keyshop.kit.cache.protocol import Load, Loaded
from keyshop.kit.cache.reader import GuardedCache
from keyshop.kit.cache.redis.connection import RedisConnection, Reply
from keyshop.kit.cache.redis.errors import RedisFault
from keyshop.kit.cache.redis.key_names import generation_name, token_name
from keyshop.kit.envelope import body_of, etag_of

_NO_LEASE: Final = ""
_WAIT: Final = 0.02  # seconds
_MAX_WAITS: Final = 25


class FillsWithoutLease(CacheOperations):
    """GET, else load and SET: plain cache-aside."""

    async def acquire(self, key: CacheKey, *, timeout: float = READ_TIMEOUT) -> LookupResult:
        del timeout
        connection = self._redis.connection
        control = None if connection is None else self.trust(connection)
        if connection is None or control is None:
            return BYPASS
        name, new = generation_name(control.shop, key.family.group), secrets.token_hex(8)
        try:
            await connection.call("SET", name, new, "NX")
            generation = await connection.call("GET", name)
        except RedisFault:
            return BYPASS
        if not isinstance(generation, bytes):
            return BYPASS
        return Lease(connection, control, _NO_LEASE, generation)

    async def fill(self, key: CacheKey, lease: Lease, loaded: Loaded, *, ttl: float) -> str:
        head = key_head(lease.control, key).encode() + lease.generation + b"|"
        value = head + (loaded.payload or b"")
        try:
            await lease.connection.call("SET", key.name, value, "PX", str(int(ttl * 1000)))
        except RedisFault:
            return "failed"
        return "accepted"


class IgnoresGenerations(CacheOperations):
    """Serves a value of the right key without comparing its generation."""

    def _parse_get_reply(
        self, connection: RedisConnection, control: Control, key: CacheKey, reply: Reply
    ) -> LookupResult:
        if isinstance(reply, list) and isinstance(reply[0], bytes):
            head = key_head(control, key).encode()
            if reply[0].startswith(head):
                return Hit(reply[0][len(head) :].partition(b"|")[2])
        return super()._parse_get_reply(connection, control, key, reply)


class ForgetsWhoseCart(GuardedCache):
    """Keeps all carts under one key, as if the key were made from the URL path alone."""

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        if key is not None and key.family is CART:
            key = CacheKey(CART, "user:anyone:cart")
        return await super().read(key, load, now=now)


class KeepsOldTags(GuardedCache):
    """Gives every answer of a key the entity tag of the first one."""

    _first: ClassVar[dict[str, bytes]] = {}

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        answer = await super().read(key, load, now=now)
        if not answer or key is None or not answer.startswith(b'"'):
            return answer
        return self._first.setdefault(key.name, etag_of(answer)) + body_of(answer)


class KeepsOldOrders(GuardedCache):
    """Gives an order, and a list of orders, its first answer: nothing invalidates it."""

    _first: ClassVar[dict[str, bytes]] = {}

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        answer = await super().read(key, load, now=now)
        if answer is None or key is None or key.family not in {ORDER, ORDERS}:
            return answer
        return self._first.setdefault(key.name, answer)


class IgnoresEpochs(CacheOperations):
    """Serves values of every epoch of this shop."""

    def trust(self, connection: RedisConnection) -> Control | None:
        control = super().trust(connection)
        return None if control is None else replace(control, tag=f"{control.shop}.any")


class TrustsAfterTheReplyOnly(CacheOperations):
    """Sends GET without testing trust first, and tests it only after the reply, however late."""

    @property
    def has_time_for_get(self) -> bool:
        return True

    async def get(self, key: CacheKey, *, timeout: float = READ_TIMEOUT) -> LookupResult:
        del timeout
        connection, control = self._redis.connection, self._view.control
        if connection is None or control is None:
            return BYPASS
        generation = generation_name(control.shop, key.family.group)
        command = connection.call("MGET", key.name, generation, token_name(control.shop))
        try:
            # Shielded: a deadline that cancelled the call would close the connection.
            reply = await asyncio.shield(asyncio.ensure_future(command))
        except RedisFault:
            return BYPASS
        # A reply may be as late as this, whatever the network of the test does.
        for _ in range(_MAX_WAITS):
            now = self.trust(connection)
            if now is not None:
                return self._parse_get_reply(connection, now, key, reply)
            await asyncio.sleep(_WAIT)
        return BYPASS


class TrustsForEver(CacheOperations):
    """Trusts the last view of the control row, however old it is."""

    def trust(self, connection: RedisConnection) -> Control | None:
        control = self._view.control
        if control is None or not control.is_open or control.incarnation != connection.incarnation:
            return None
        return control
