"""
Reading through the cache: GET, else ACQUIRE, load, answer, FILL.

Whatever Redis does, a read ends with an answer of PostgreSQL's; what was kept is given only while
trust holds before the first command and after its reply.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Final, TypeAlias

import structlog
from msgspec import Struct
from prometheus_client import Counter

from keyshop.kit.cache.connection import RedisConnection, RedisFault, Reply
from keyshop.kit.cache.control import Control
from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.markers import Markers
from keyshop.kit.cache.metrics import FILLS, READS
from keyshop.kit.cache.names import generation_name, lease_name, markers_name, token_name
from keyshop.kit.cache.protocol import Load, Loaded
from keyshop.kit.cache.redis_supervisor import RedisSupervisor
from keyshop.kit.cache.scripts import ACQUIRE, FILL, RELEASE
from keyshop.kit.cache.single_flight import InFlightLoad, SingleFlight
from keyshop.kit.cache.trust_view import TrustView
from keyshop.kit.database.pool import in_transaction

_DEADLINE: Final = 0.06  # seconds for all cache calls of one read
_FILLING: Final = 0.15  # seconds more while another process is filling the key
_PAUSES: Final = (0.01, 0.02, 0.04, 0.08)
_FILL_TIMEOUT: Final = 0.25
_ABSENT_FOR: Final = 30.0  # seconds
_MAX_PAYLOAD: Final = 4 * 1024 * 1024  # bytes of an answer worth keeping
_MAX_FILLS: Final = 256  # under way
_SAY_EVERY: Final = 10.0  # seconds between log lines about reads without the cache

_log = structlog.get_logger(__name__)


class Lease(Struct, frozen=True):
    """The right to fill a key, under the view and over the connection that it was had with."""

    connection: RedisConnection
    control: Control
    token: str
    generation: str


class Hit(Struct, frozen=True):
    """What Redis held; an empty payload stands for "there is none"."""

    payload: bytes


class MissReason(Struct, frozen=True):
    """Why there was no answer in Redis."""

    name: str


LookupResult: TypeAlias = Hit | Lease | MissReason

MISS: Final = MissReason("miss")
BUSY: Final = MissReason("busy")
WAIT: Final = MissReason("wait")
BYPASS: Final = MissReason("bypass")


class GuardedCache:
    """The `Cache` of a process that can reach Redis."""

    def __init__(self, view: TrustView, link: RedisSupervisor, markers: Markers) -> None:
        self._view = view
        self._link = link
        self._markers = markers
        self._flights = SingleFlight()
        self._fills: set[asyncio.Task[None]] = set()
        self._said_at = float("-inf")
        self._unsaid = 0

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """Return the answer of this key, as `Cache.read`."""
        if in_transaction():
            raise RuntimeError("A kept answer does not show what this transaction changed.")
        if key is None:
            return (await load()).payload
        began, arrived = time.monotonic(), self._flights.arrive()
        deadline = asyncio.get_running_loop().time() + _DEADLINE
        found = await self.get(key)
        if isinstance(found, Hit):
            return self._count(key, "hit", found.payload)
        flight = self._flights.find(key.name)
        if flight is not None:
            deadline += await _wait_loaded(flight)
            joined = await self._join(key, flight, arrived, deadline)
            if joined is not None:
                return self._count(key, "joined", joined.payload)
        until = deadline if found is MISS else None
        return await self._fly(key, load, now=now, began=began, until=until)

    async def close(self) -> None:
        """Let the fills under way end."""
        if self._fills:
            await asyncio.wait(self._fills, timeout=1)

    # The steps.

    async def get(self, key: CacheKey) -> LookupResult:
        """GET: return what Redis holds, if it may be believed."""
        connection = self._link.connection
        if connection is None:
            return BYPASS
        control = self.trust(connection)
        if control is None:
            return BYPASS
        generation = generation_name(control.shop, key.family.group)
        try:
            reply = await connection.call(
                "MGET", key.name, generation, token_name(control.shop), within=_DEADLINE
            )
        except RedisFault:
            return BYPASS
        self._link.answered()
        return self._judge(connection, control, key, reply)

    def trust(self, connection: RedisConnection) -> Control | None:
        """TRUST: return the control row if what this connection says may be believed now."""
        return self._view.trusted(connection.incarnation)

    async def acquire(self, key: CacheKey) -> LookupResult:
        """ACQUIRE: return the lease, or why there is none."""
        connection = self._link.connection
        control = None if connection is None else self.trust(connection)
        if connection is None or control is None:
            return BYPASS
        token, generation = secrets.token_hex(8), secrets.token_hex(8)
        head = f"{control.tag}|{key.name}|"
        try:
            reply = await connection.run_script(
                ACQUIRE,
                _names(control, key),
                (connection.token, head, token, generation),
                within=_DEADLINE,
            )
        except RedisFault:
            return BYPASS
        return self._judge_lease(connection, control, key, token, reply)

    async def fill(self, key: CacheKey, lease: Lease, loaded: Loaded, *, ttl: float) -> str:
        """FILL: keep what was loaded under the lease, if nothing has changed since ACQUIRE."""
        control = self.trust(lease.connection)
        if control is None or control.seq != lease.control.seq or control.tag != lease.control.tag:
            return "skipped"
        payload = loaded.payload or b""
        generation = lease.generation.encode(errors="surrogateescape")
        head = f"{lease.control.tag}|{key.name}|".encode() + generation + b"|"
        try:
            accepted = await lease.connection.run_script(
                FILL,
                _names(lease.control, key),
                (lease.connection.token, lease.token, generation, head + payload, int(ttl * 1000)),
                within=_FILL_TIMEOUT,
            )
        except RedisFault:
            return "failed"
        return "accepted" if accepted else "refused"

    async def release(self, key: CacheKey, lease: Lease) -> None:
        """RELEASE: give the lease back, so that others need not wait for it to lapse."""
        name = lease_name(lease.control.shop, key.name)
        with suppress(RedisFault):
            await lease.connection.run_script(
                RELEASE, (name,), (lease.token,), within=_FILL_TIMEOUT
            )

    # How they are put together.

    async def _join(
        self, key: CacheKey, flight: InFlightLoad, arrived: int, deadline: float
    ) -> Loaded | None:
        """Wait for the FILL of somebody in this process, and return what may be answered."""
        found: LookupResult = BYPASS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await flight.ended.wait()
                # Its database read began before this one came: only what Redis accepted can be
                # believed.
                found = await self.get(key)
        if isinstance(found, Hit):
            return Loaded(found.payload or None)
        following = self._flights.find(key.name)
        if following is None or following.number < arrived:
            return None
        await asyncio.wait({following.loaded})
        failed = following.loaded.cancelled() or following.loaded.exception() is not None
        return None if failed else following.loaded.result()

    async def _fly(
        self, key: CacheKey, load: Load, *, now: datetime, began: float, until: float | None
    ) -> bytes | None:
        flight = self._flights.start(key.name)
        found: LookupResult = BYPASS
        filling = False
        try:
            if until is not None:
                found = await self._acquire_patiently(key, until)
            if isinstance(found, Hit):
                flight.loaded.set_result(Loaded(found.payload or None))
                return self._count(key, "hit", found.payload)
            # After ACQUIRE: what is read now contains whatever was committed before it.
            loaded = await load()
            flight.loaded.set_result(loaded)
            if isinstance(found, Lease):
                ttl = _time_to_live(key, loaded, now=now, elapsed=time.monotonic() - began)
                filling = self._start_fill(key, flight, found, loaded, ttl)
            name = "miss" if isinstance(found, Lease) else found.name
            return self._count(key, name, loaded.payload)
        finally:
            if not filling:
                self._flights.end(key.name, flight)
                if isinstance(found, Lease):
                    self._start(self.release(key, found))

    async def _acquire_patiently(self, key: CacheKey, deadline: float) -> LookupResult:
        """ACQUIRE; while another process is filling the key, try again a few times."""
        found: LookupResult = BYPASS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                found = await self.acquire(key)
        if found is not WAIT:
            return found
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline + _FILLING):
                for pause in _PAUSES:
                    await asyncio.sleep(pause)
                    # Not GET: where the FILL was refused, the lease is there to be had.
                    found = await self.acquire(key)
                    if found is not WAIT:
                        return found
        return WAIT

    def _start_fill(
        self, key: CacheKey, flight: InFlightLoad, lease: Lease, loaded: Loaded, ttl: float
    ) -> bool:
        """Send FILL behind the answer; return whether it will be sent."""
        size = len(loaded.payload or b"")
        if ttl <= 0 or size > _MAX_PAYLOAD or len(self._fills) >= _MAX_FILLS:
            FILLS.labels(key.family.name, "skipped").inc()
            return False
        self._start(self._fill_and_end(key, flight, lease, loaded, ttl))
        return True

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._fills.add(task)
        task.add_done_callback(self._fills.discard)

    async def _fill_and_end(
        self, key: CacheKey, flight: InFlightLoad, lease: Lease, loaded: Loaded, ttl: float
    ) -> None:
        try:
            outcome = await self.fill(key, lease, loaded, ttl=ttl)
            FILLS.labels(key.family.name, outcome).inc()
            if outcome in {"skipped", "failed"}:
                await self.release(key, lease)
        finally:
            self._flights.end(key.name, flight)

    # What replies mean.

    def _judge(
        self, connection: RedisConnection, control: Control, key: CacheKey, reply: Reply
    ) -> LookupResult:
        if not isinstance(reply, list) or reply[2:] != [connection.token.encode()]:
            connection.close()  # emptied, another server, or the reply to something else
            return BYPASS
        value, generation = reply[:2]
        if not isinstance(value, bytes) or not isinstance(generation, bytes):
            return MISS
        head = f"{control.tag}|{key.name}|".encode() + generation + b"|"
        return self._believe(connection, control, value, head)

    def _believe(
        self, connection: RedisConnection, control: Control, value: bytes, head: bytes
    ) -> LookupResult:
        """Return the payload, if it is this key's and trust still holds after the reply."""
        if not value.startswith(head):
            return MISS
        after = self.trust(connection)
        if after is None or after.tag != control.tag:
            return BYPASS
        return Hit(value[len(head) :])

    def _judge_lease(
        self,
        connection: RedisConnection,
        control: Control,
        key: CacheKey,
        token: str,
        reply: Reply,
    ) -> LookupResult:
        match reply:
            case [b"LEASE", bytes(generation)]:
                return Lease(connection, control, token, _text(generation))
            case [b"HIT", bytes(value), bytes(generation)]:
                head = f"{control.tag}|{key.name}|".encode() + generation + b"|"
                return self._believe(connection, control, value, head)
            case [b"BUSY", list(of_key), list(of_group)]:
                self._markers.clean(connection, key.name, of_key)
                self._markers.clean(connection, key.family.group, of_group)
                return BUSY
            case [b"WAIT"]:
                return WAIT
            case _:
                connection.close()  # the token is another one
                return BYPASS

    def _count(self, key: CacheKey, outcome: str, payload: bytes | None) -> bytes | None:
        _reads(key.family.name, outcome).inc()
        if outcome == "bypass":
            self._say_bypass()
        return payload or None

    def _say_bypass(self) -> None:
        """Log that reads do without the cache, at most once in ten seconds."""
        self._unsaid += 1
        if time.monotonic() - self._said_at < _SAY_EVERY:
            return
        _log.warning("cache.bypassed", reads=self._unsaid, redis=self._link.fault or "not trusted")
        self._said_at, self._unsaid = time.monotonic(), 0


def _text(generation: bytes) -> str:
    """Return what may be anything, if others write into this Redis, without losing a byte."""
    return generation.decode(errors="surrogateescape")


# The library takes a lock and builds a key at every `labels`.
@cache
def _reads(family: str, outcome: str) -> Counter:
    return READS.labels(family, outcome)


async def _wait_loaded(flight: InFlightLoad) -> float:
    """Wait for PostgreSQL's answer to somebody else, and return how long that took, in seconds."""
    began = time.monotonic()
    await asyncio.wait({flight.loaded})
    return time.monotonic() - began


def _names(control: Control, key: CacheKey) -> tuple[str, ...]:
    shop, group = control.shop, key.family.group
    return (
        token_name(shop),
        key.name,
        lease_name(shop, key.name),
        markers_name(shop, key.name),
        generation_name(shop, group),
        markers_name(shop, group),
    )


def _time_to_live(key: CacheKey, loaded: Loaded, *, now: datetime, elapsed: float) -> float:
    """Return how long to keep it, in seconds; keys made together do not end together."""
    ttl = key.family.ttl.total_seconds() * random.uniform(0.9, 1.0)  # noqa: S311 - not a secret
    if loaded.payload is None:
        ttl = min(ttl, _ABSENT_FOR)
    if loaded.true_until is not None:
        # It lives from when Redis has it, not from when it was true.
        left = (loaded.true_until - now).total_seconds()
        ttl = min(ttl, left - elapsed - _FILL_TIMEOUT)
    return ttl
