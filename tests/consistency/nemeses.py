"""Injects planned faults, one at a time on each target."""

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

from tests.consistency.faults import PlannedFault
from tests.consistency.journal import Journal, Surprise
from tests.consistency.metrics import fetch
from tests.consistency.network import LOADS, Network
from tests.consistency.parts import Parts
from tests.consistency.processes import Child
from tests.consistency.proxy import Mode
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.redis_server import RedisServer

_Victim = TypeVar("_Victim")

_MAX_START: Final = 90.0  # seconds
_MAX_PARALLEL: Final = 3  # faults
_AFTER_POSTGRES: Final = 5.0  # seconds in which processes may still find cut connections
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
    """Injects the planned faults into a running shop."""

    def __init__(self, parts: Parts, journal: Journal, recovery: RecoveryWatch) -> None:
        self._parts = parts
        self._journal = journal
        self._recovery = recovery
        self._taken: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[None]] = set()
        self._admin: asyncpg.Connection[asyncpg.Record] | None = None
        self._down: set[str] = set()  # processes that a fault keeps down
        self._injectors: dict[str, Callable[[PlannedFault], Awaitable[None]]] = {
            "api": self._inject_api_fault,
            "worker": self._inject_worker_fault,
            "reader": self._inject_reader_fault,
            "writer": self._inject_writer_fault,
            "redis": self._inject_redis_fault,
            "network": self._inject_network_fault,
            "postgres": self._inject_postgres_fault,
        }

    async def run(self, planned_faults: Iterable[PlannedFault]) -> None:
        """Inject one fault after the other, a few in parallel, until cancelled."""
        slots = asyncio.Semaphore(_MAX_PARALLEL)
        for fault in planned_faults:
            await asyncio.sleep(fault.gap)
            await slots.acquire()
            task = asyncio.create_task(self._inject(fault, slots))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Wait until every fault is over and undone."""
        while self._under_way:
            await asyncio.gather(*self._under_way)

    async def keep_alive(self) -> None:
        """Restart processes that ended by themselves, and report them."""
        while True:
            for child in self._parts.children:
                if not child.is_running() and child.name not in self._down:
                    self._journal.surprises.append(
                        Surprise(f"{child.name} ended by itself", child.read_last_words())
                    )
                    child.start()
            await asyncio.sleep(0.3)

    async def _inject(self, fault: PlannedFault, slots: asyncio.Semaphore) -> None:
        try:
            await self._injectors[fault.name.partition(".")[0]](fault)
        finally:
            slots.release()

    async def _inject_api_fault(self, fault: PlannedFault) -> None:
        child = _pick(self._parts.apis, fault.victim)
        place = self._parts.apis.index(child)
        async with self._taken[child.name]:
            if fault.name == "api.stutter":
                with self._journal.fault(fault.name, child.name):
                    await _stutter(child, fault, longest=_STUTTER)
                return
            with (
                self._recovery.fault(),
                self._journal.outage(place, after=1),
                self._journal.fault(fault.name, child.name),
            ):
                if fault.name == "api.stop":
                    with self._journal.stopped(place):
                        await _stop(child, fault.seconds)
                else:
                    await self._restart_api(child, self._parts.base_urls[place])

    async def _restart_api(self, child: Child, url: str) -> None:
        self._down.add(child.name)
        child.kill()
        until = monotonic() + _MAX_START
        while not await asyncio.to_thread(fetch, f"{url}/live"):
            # It ends again when its database is down at that moment.
            if not child.is_running():
                child.start()
            if monotonic() > until:
                self._journal.surprises.append(
                    Surprise(f"{child.name} did not start again", child.read_last_words())
                )
                break
            await asyncio.sleep(0.1)
        self._down.discard(child.name)

    async def _inject_worker_fault(self, fault: PlannedFault) -> None:
        if fault.name == "worker.stop_all":
            async with self._taken["worker"]:
                with self._recovery.fault(), self._journal.fault(fault.name):
                    await asyncio.gather(
                        *(_stop(child, fault.seconds) for child in self._parts.workers)
                    )
            return
        child = _pick(self._parts.workers, fault.victim)
        async with self._taken["worker"]:
            with self._recovery.fault(), self._journal.fault(fault.name, child.name):
                await self._kill_or_stop(child, fault)

    async def _inject_reader_fault(self, fault: PlannedFault) -> None:
        child = _pick(self._parts.readers, fault.victim)
        number = len(self._parts.base_urls) + self._parts.readers.index(child)
        async with self._taken[child.name]:
            with self._journal.fault(fault.name, child.name), self._journal.stopped(number):
                if fault.name == "reader.stutter":
                    await _stutter(child, fault, longest=_STUTTER)
                else:
                    await self._kill_or_stop(child, fault)

    async def _inject_writer_fault(self, fault: PlannedFault) -> None:
        child = _pick(self._parts.writers, fault.victim)
        async with self._taken[child.name]:
            with self._journal.fault(fault.name, child.name):
                await self._kill_or_stop(child, fault)

    async def _kill_or_stop(self, child: Child, fault: PlannedFault) -> None:
        if fault.name.endswith(".stop"):
            await _stop(child, fault.seconds)
            return
        self._down.add(child.name)
        child.kill()
        await asyncio.sleep(fault.amount)
        child.start()
        self._down.discard(child.name)

    async def _inject_redis_fault(self, fault: PlannedFault) -> None:
        async with self._taken["redis"]:
            with self._recovery.fault(), self._journal.fault(fault.name):
                await self._break_redis(fault)

    async def _break_redis(self, fault: PlannedFault) -> None:
        redis = self._parts.redis
        how = fault.name.partition(".")[2]
        if redis is None:
            await self._break_foreign_redis(fault)
        elif how in {"empty", "old"}:
            await self._restart_redis(redis, fault, forget=how == "empty")
        elif how == "stop":
            await _stop(redis.child, fault.seconds)
        elif how == "stutter":
            await _stutter(redis.child, fault, longest=_REDIS_STUTTER)
        else:
            for command in _COMMANDS[how]:
                await asyncio.to_thread(redis.execute, *command)
            if fault.seconds:
                await asyncio.sleep(fault.seconds)
                await asyncio.to_thread(redis.restore_settings)

    async def _restart_redis(
        self, redis: RedisServer, fault: PlannedFault, *, forget: bool
    ) -> None:
        if not forget and not redis.has_snapshot():
            await asyncio.to_thread(redis.execute, "SAVE")
            await asyncio.sleep(fault.amount)  # so that the snapshot becomes old
        redis.kill(forget=forget)
        await asyncio.sleep(fault.seconds)
        redis.start()

    async def _break_foreign_redis(self, fault: PlannedFault) -> None:
        async with from_url(self._parts.redis_url or "") as client:
            if fault.name == "redis.flush":
                await client.flushall()
            else:
                await client.execute_command("CLIENT", "KILL", "TYPE", "normal")

    async def _inject_network_fault(self, fault: PlannedFault) -> None:
        network = self._parts.network
        assert network is not None
        how, _, scope = fault.name.removeprefix("network.").partition("_")
        routes = network.routes_to_redis(_OF[how if how == "flicker" else scope])
        hit = routes if scope or how == "flicker" else [_pick(routes, fault.victim)]
        async with self._taken["network"]:
            with (
                self._recovery.fault(),
                self._journal.fault(fault.name, hit[0] if len(hit) == 1 else ""),
            ):
                if how == "flicker":
                    await _flicker(network, hit, fault)
                else:
                    await network.set(hit, Mode(how), _amount(fault))
                    await asyncio.sleep(fault.seconds)
                await network.set(hit, Mode.OK)

    async def _inject_postgres_fault(self, fault: PlannedFault) -> None:
        async with self._taken["postgres"]:
            with (
                self._recovery.fault(),
                self._journal.outage(None, after=_AFTER_POSTGRES, of_database=True),
                self._journal.fault(fault.name),
            ):
                if fault.name == "postgres.restart":
                    await self._restart_postgres()
                elif fault.name == "postgres.hole":
                    await self._block_loads(fault.seconds)
                elif fault.name == "postgres.views":
                    await self._end_views(fault.seconds)
                else:
                    await self._end_backends(_BACKENDS, fault.amount)

    async def _restart_postgres(self) -> None:
        server = self._parts.postgres
        assert server is not None
        _quit_postmaster(server.data)
        await asyncio.to_thread(server.ensure)

    async def _block_loads(self, seconds: float) -> None:
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
            postgres = self._parts.postgres
            url = self._parts.database_url if postgres is None else postgres.url
            self._admin = await asyncpg.connect(url, ssl=False, timeout=10)
        await self._admin.fetch(which, *values)


def _quit_postmaster(data: Path) -> None:
    """Stop PostgreSQL in immediate mode, without a checkpoint, as in a crash."""
    pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGQUIT)


async def _stop(child: Child, seconds: float) -> None:
    child.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        child.send(signal.SIGCONT)


async def _stutter(child: Child, fault: PlannedFault, *, longest: float) -> None:
    dice = Random(fault.amount)
    until = monotonic() + fault.seconds
    while monotonic() < until:
        await _stop(child, dice.uniform(0.002, longest))
        await asyncio.sleep(dice.uniform(0.002, 2 * longest))


async def _flicker(network: Network, routes: list[str], fault: PlannedFault) -> None:
    dice = Random(fault.amount)
    until = monotonic() + fault.seconds
    while monotonic() < until:
        await network.set(routes, Mode.RESET)
        await network.set(routes, Mode.OK)
        await asyncio.sleep(dice.uniform(0.02, 0.2))


def _amount(fault: PlannedFault) -> int:
    """Return milliseconds of a delay, or bytes after which a reply is cut."""
    if fault.name == "network.late_reads":
        return int(10 + 240 * fault.amount)
    return int(2 + 48 * fault.amount) if "delay" in fault.name else int(60 * fault.amount)


def _pick(among: Sequence[_Victim], victim: float) -> _Victim:
    return among[min(int(victim * len(among)), len(among) - 1)]
