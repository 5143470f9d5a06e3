"""Carries strikes out, each on something that nobody else works on at that moment."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final, TypeVar

import asyncpg
from redis.asyncio import from_url

from tests.consistency.faults import Strike
from tests.consistency.journal import Journal
from tests.consistency.metrics import fetch
from tests.consistency.network import LOADS, Network
from tests.consistency.parts import Parts
from tests.consistency.processes import Child
from tests.consistency.proxy import Mode
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.redis_server import RedisServer

_Victim = TypeVar("_Victim")

_MAX_START: Final = 90.0  # seconds
_AT_ONCE: Final = 3  # strikes
_AFTER_POSTGRES: Final = 5.0  # seconds in which cut connections are still being noticed
_STUTTER: Final = 0.040  # seconds at most
_REDIS_STUTTER: Final = 0.150
_OF: Final = {"": "", "all": "", "reads": "api", "flicker": "writer"}
_COMMANDS: Final[dict[str, list[tuple[str, ...]]]] = {
    "save": [("SAVE",)],
    "flush": [("FLUSHALL",)],
    "clients": [("CLIENT", "KILL", "TYPE", "normal")],
    "full": [
        ("CONFIG", "SET", "maxmemory-policy", "noeviction"),
        ("CONFIG", "SET", "maxmemory", "1"),
    ],
    "evicting": [("CONFIG", "SET", "maxmemory", "1")],
    "replica": [("REPLICAOF", "127.0.0.1", "1")],
}
_VIEWS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'keyshop cache' AND pid <> pg_backend_pid()
"""
_BACKENDS: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < $1
"""


class Nemeses:
    """Whoever makes things go wrong."""

    def __init__(self, parts: Parts, journal: Journal, recovery: RecoveryWatch) -> None:
        self._parts = parts
        self._journal = journal
        self._recovery = recovery
        self._taken: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[None]] = set()
        self._admin: asyncpg.Connection[asyncpg.Record] | None = None
        self._held: set[str] = set()  # processes that are down because of us
        self._ways: dict[str, Callable[[Strike], Awaitable[None]]] = {
            "api": self._strike_api,
            "worker": self._strike_worker,
            "reader": self._strike_reader,
            "writer": self._strike_writer,
            "redis": self._strike_redis,
            "network": self._strike_network,
            "postgres": self._strike_postgres,
        }

    async def go_on(self, strikes: Iterable[Strike]) -> None:
        """Carry out one strike after the other, a few at once, until cancelled."""
        room = asyncio.Semaphore(_AT_ONCE)
        for strike in strikes:
            await asyncio.sleep(strike.gap)
            await room.acquire()
            task = asyncio.create_task(self._carry_out(strike, room))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait until everything is as it should be again."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def keep_alive(self) -> None:
        """Start again what has ended by itself, and remember that it did."""
        while True:
            for child in self._parts.children:
                if not child.is_running() and child.name not in self._held:
                    self._journal.surprises.append(f"{child.name} ended by itself")
                    child.start()
            await asyncio.sleep(0.3)

    async def _carry_out(self, strike: Strike, room: asyncio.Semaphore) -> None:
        try:
            await self._ways[strike.name.partition(".")[0]](strike)
        finally:
            room.release()

    async def _strike_api(self, strike: Strike) -> None:
        child = _pick(self._parts.apis, strike.victim)
        place = self._parts.apis.index(child)
        async with self._taken[child.name]:
            if strike.name == "api.stutter":
                with self._journal.fault(strike.name, child.name):
                    await _stutter(child, strike, longest=_STUTTER)
                return
            with (
                self._recovery.fault(),
                self._journal.outage(place, after=1),
                self._journal.fault(strike.name, child.name),
            ):
                if strike.name == "api.stop":
                    with self._journal.stopped(place):
                        await _stop(child, strike.seconds)
                else:
                    await self._restart_api(child, self._parts.base_urls[place])

    async def _restart_api(self, child: Child, url: str) -> None:
        self._held.add(child.name)
        child.kill()
        until = monotonic() + _MAX_START
        while not await asyncio.to_thread(fetch, f"{url}/live"):
            # It may be without its database at that moment, and then it ends again.
            if not child.is_running():
                child.start()
            if monotonic() > until:
                self._journal.surprises.append(f"{child.name} did not start again")
                break
            await asyncio.sleep(0.1)
        self._held.discard(child.name)

    async def _strike_worker(self, strike: Strike) -> None:
        if strike.name == "worker.stop_all":
            async with self._taken["worker"]:
                with self._recovery.fault(), self._journal.fault(strike.name):
                    await asyncio.gather(
                        *(_stop(child, strike.seconds) for child in self._parts.workers)
                    )
            return
        child = _pick(self._parts.workers, strike.victim)
        async with self._taken["worker"]:
            with self._recovery.fault(), self._journal.fault(strike.name, child.name):
                await self._kill_or_stop(child, strike)

    async def _strike_reader(self, strike: Strike) -> None:
        child = _pick(self._parts.readers, strike.victim)
        number = len(self._parts.base_urls) + self._parts.readers.index(child)
        async with self._taken[child.name]:
            with self._journal.fault(strike.name, child.name), self._journal.stopped(number):
                if strike.name == "reader.stutter":
                    await _stutter(child, strike, longest=_STUTTER)
                else:
                    await self._kill_or_stop(child, strike)

    async def _strike_writer(self, strike: Strike) -> None:
        child = _pick(self._parts.writers, strike.victim)
        async with self._taken[child.name]:
            with self._journal.fault(strike.name, child.name):
                await self._kill_or_stop(child, strike)

    async def _kill_or_stop(self, child: Child, strike: Strike) -> None:
        if strike.name.endswith(".stop"):
            await _stop(child, strike.seconds)
            return
        self._held.add(child.name)
        child.kill()
        await asyncio.sleep(strike.amount)
        child.start()
        self._held.discard(child.name)

    async def _strike_redis(self, strike: Strike) -> None:
        async with self._taken["redis"]:
            with self._recovery.fault(), self._journal.fault(strike.name):
                await self._hurt_redis(strike)

    async def _hurt_redis(self, strike: Strike) -> None:
        redis = self._parts.redis
        how = strike.name.partition(".")[2]
        if redis is None:
            await self._hurt_foreign_redis(strike)
        elif how in {"empty", "old"}:
            await self._restart_redis(redis, strike, forget=how == "empty")
        elif how == "stop":
            await _stop(redis.child, strike.seconds)
        elif how == "stutter":
            await _stutter(redis.child, strike, longest=_REDIS_STUTTER)
        else:
            for command in _COMMANDS[how]:
                await asyncio.to_thread(redis.tell, *command)
            if strike.seconds:
                await asyncio.sleep(strike.seconds)
                await asyncio.to_thread(redis.be_itself)

    async def _restart_redis(self, redis: RedisServer, strike: Strike, *, forget: bool) -> None:
        if not forget and not redis.has_snapshot():
            await asyncio.to_thread(redis.tell, "SAVE")
            await asyncio.sleep(strike.amount)  # in which the snapshot grows old
        redis.kill(forget=forget)
        await asyncio.sleep(strike.seconds)
        redis.start()

    async def _hurt_foreign_redis(self, strike: Strike) -> None:
        async with from_url(self._parts.redis_url or "") as client:
            if strike.name == "redis.flush":
                await client.flushall()
            else:
                await client.execute_command("CLIENT", "KILL", "TYPE", "normal")

    async def _strike_network(self, strike: Strike) -> None:
        network = self._parts.network
        assert network is not None
        how, _, scope = strike.name.removeprefix("network.").partition("_")
        ways = network.ways_to_redis(_OF[how if how == "flicker" else scope])
        hit = ways if scope or how == "flicker" else [_pick(ways, strike.victim)]
        async with self._taken["network"]:
            with (
                self._recovery.fault(),
                self._journal.fault(strike.name, hit[0] if len(hit) == 1 else ""),
            ):
                if how == "flicker":
                    await _flicker(network, hit, strike)
                else:
                    await network.set(hit, Mode(how), _amount(strike))
                    await asyncio.sleep(strike.seconds)
                await network.set(hit, Mode.OK)

    async def _strike_postgres(self, strike: Strike) -> None:
        async with self._taken["postgres"]:
            with (
                self._recovery.fault(),
                self._journal.outage(None, after=_AFTER_POSTGRES, of_database=True),
                self._journal.fault(strike.name),
            ):
                if strike.name == "postgres.restart":
                    await self._restart_postgres()
                elif strike.name == "postgres.hole":
                    await self._swallow_loads(strike.seconds)
                elif strike.name == "postgres.views":
                    await self._end_views(strike.seconds)
                else:
                    await self._end_backends(_BACKENDS, strike.amount)

    async def _restart_postgres(self) -> None:
        server = self._parts.postgres
        assert server is not None
        _quit_postmaster(server.data)
        await asyncio.to_thread(server.ensure)

    async def _swallow_loads(self, seconds: float) -> None:
        assert self._parts.network is not None
        await self._parts.network.set([LOADS], Mode.HOLE)
        await asyncio.sleep(seconds)
        await self._parts.network.set([LOADS], Mode.OK)

    async def _end_views(self, seconds: float) -> None:
        until = monotonic() + seconds
        while monotonic() < until:
            await self._end_backends(_VIEWS)
            await asyncio.sleep(0.005)

    async def _end_backends(self, which: str, *values: float) -> None:
        if self._admin is None or self._admin.is_closed():
            self._admin = await asyncpg.connect(self._parts.database_url, ssl=False, timeout=10)
        await self._admin.fetch(which, *values)


def _quit_postmaster(data: Path) -> None:
    """Have PostgreSQL end at once, without a word to anybody, as in a crash."""
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)


async def _stop(child: Child, seconds: float) -> None:
    child.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        child.send(signal.SIGCONT)


async def _stutter(child: Child, strike: Strike, *, longest: float) -> None:
    dice = Random(strike.amount)
    until = monotonic() + strike.seconds
    while monotonic() < until:
        await _stop(child, dice.uniform(0.002, longest))
        await asyncio.sleep(dice.uniform(0.002, 2 * longest))


async def _flicker(network: Network, ways: list[str], strike: Strike) -> None:
    dice = Random(strike.amount)
    until = monotonic() + strike.seconds
    while monotonic() < until:
        await network.set(ways, Mode.RESET)
        await network.set(ways, Mode.OK)
        await asyncio.sleep(dice.uniform(0.02, 0.2))


def _amount(strike: Strike) -> int:
    """Return milliseconds of a delay, or bytes after which a reply is cut."""
    if strike.name == "network.late_reads":
        return int(10 + 240 * strike.amount)
    return int(2 + 48 * strike.amount) if "delay" in strike.name else int(60 * strike.amount)


def _pick(among: Sequence[_Victim], victim: float) -> _Victim:
    return among[min(int(victim * len(among)), len(among) - 1)]
