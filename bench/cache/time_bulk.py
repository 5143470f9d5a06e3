"""As many price changes as in a sync: with the cache, without it, and without its triggers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Final

from msgspec import Struct

from bench.cache.databases import drop_triggers
from bench.cache.trust import wait_for_commits
from bench.machine import Machine, copy_database, postgres_cpu_seconds_so_far
from bench.report import Goal
from bench.supplier_games import dearer, supplier_game
from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import SupplierGame
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.open import open_cache, run_outbox_cleanup, run_relay
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.sync.rules import BATCH_SIZE

_MAX: Final = 1.3  # times


class _Cost(Struct, frozen=True):
    seconds: float
    cpu_seconds: float  # of PostgreSQL


async def time_bulk(machine: Machine, redis_url: str) -> None:
    """Raise every price on three databases in turns, and print the medians."""
    number, rounds = (2_000, 1) if machine.quick else (10_000, 2)
    games = [supplier_game(place) for place in range(number)]
    first = await copy_database(machine.postgres, "bench_bulk")
    async with _open(first, None) as db:
        await _merge(db, games)
    costs: dict[str, list[_Cost]] = {}
    async with AsyncExitStack() as parts:
        ways = {}
        for name, url, redis in await _databases(machine, redis_url):
            ways[name] = await parts.enter_async_context(_open(url, redis))
        for _ in range(rounds):
            games = [dearer(game) for game in games]
            for name, db in ways.items():
                costs.setdefault(name, []).append(await _measure(machine, db, games))
    _print(machine, costs, number)


async def _databases(machine: Machine, redis_url: str) -> list[tuple[str, str, str | None]]:
    copies = {
        name: await copy_database(machine.postgres, f"bench_bulk_{name}", "bench_bulk")
        for name in ("cached", "closed", "plain")
    }
    return [
        ("cache on", copies["cached"], redis_url),
        ("cache off, closed", copies["closed"], None),
        ("without its triggers", await drop_triggers(copies["plain"]), None),
    ]


@asynccontextmanager
async def _open(database_url: str, redis_url: str | None) -> AsyncIterator[Database]:
    """Open the database as a worker does: with a relay, if there is a Redis."""
    async with AsyncExitStack() as parts:
        guard = RedisCommitGuard(None)
        if redis_url is not None:
            await parts.enter_async_context(run_relay(database_url, redis_url))
            guard = (await parts.enter_async_context(open_cache(database_url, redis_url))).guard
        db = Database(database_url, guard=guard)
        await db.open()
        parts.push_async_callback(db.close)
        await parts.enter_async_context(run_outbox_cleanup(guard, db))
        if redis_url is not None:
            await wait_for_commits(db)
        yield db


async def _measure(machine: Machine, db: Database, games: Sequence[SupplierGame]) -> _Cost:
    async with db.read() as reader:
        await reader.fetch("CHECKPOINT")
    cpu, begun = postgres_cpu_seconds_so_far(machine), perf_counter()
    updated = await _merge(db, games)
    seconds = perf_counter() - begun
    if updated != len(games):
        raise RuntimeError(f"{updated} games were changed.")
    return _Cost(seconds, postgres_cpu_seconds_so_far(machine) - cpu)


async def _merge(db: Database, games: Sequence[SupplierGame]) -> int:
    updated = 0
    for begin in range(0, len(games), BATCH_SIZE):
        async with db.transaction() as tx:
            merged = await merge_games(tx, games[begin : begin + BATCH_SIZE], now=utc_now())
        updated += merged.updated
    return updated


def _print(machine: Machine, costs: dict[str, list[_Cost]], number: int) -> None:
    report = machine.report
    rounds = len(costs["cache on"])
    report.title(
        f"cache, bulk: {number:,} changed rows in batches of {BATCH_SIZE}, medians of {rounds} rounds"
    )
    report.line("", "seconds", "of closed", "PostgreSQL s", "of closed")
    seconds = {name: median(cost.seconds for cost in found) for name, found in costs.items()}
    cpu = {name: median(cost.cpu_seconds for cost in found) for name, found in costs.items()}
    wall_of, cpu_of = seconds["cache off, closed"], cpu["cache off, closed"]
    for name in costs:
        report.line(name, seconds[name], seconds[name] / wall_of, cpu[name], cpu[name] / cpu_of)
    report.goals(
        Goal(text="  with the cache, times", value=seconds["cache on"] / wall_of, most=_MAX),
        Goal(text="  with it, PostgreSQL's time", value=cpu["cache on"] / cpu_of, most=_MAX),
    )
