"""The time that the guarded commit adds to the change of one price."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Final

import asyncpg

from bench.cache.stage import Stage
from bench.cache.trust import guarded_commits, wait_for_commits
from bench.report import Goal, percentile
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.open import open_cache, run_outbox_cleanup
from keyshop.kit.database.commit import CommitGuard, PreparedCommit, ReaderSource
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction

_SOME_GAMES: Final = "SELECT id FROM games ORDER BY id LIMIT 100"
_SET_PRICE: Final = "UPDATE games SET price = $2 WHERE id = $1"
_MAX: Final = 5.0  # ms

Write = Callable[[str, Decimal], Awaitable[None]]


class TimedGuard:
    """A guard that records its own time in each transaction, in seconds."""

    def __init__(self, guard: CommitGuard) -> None:
        self._guard = guard
        self._prepared = 0.0
        self.seconds: list[float] = []

    async def before_commit(self, tx: Transaction) -> PreparedCommit:
        begun = time.perf_counter()
        prepared = await self._guard.before_commit(tx)
        self._prepared = time.perf_counter() - begun
        return prepared

    async def after_commit(
        self, db: ReaderSource, prepared: PreparedCommit, *, committed: bool
    ) -> None:
        begun = time.perf_counter()
        await self._guard.after_commit(db, prepared, committed=committed)
        self.seconds.append(self._prepared + time.perf_counter() - begun)


async def time_commits(stage: Stage, *, closed_url: str, plain_url: str) -> None:
    """Write in turns with the guard, with a closed cache, and without triggers and guard."""
    report, number = stage.machine.report, 100 if stage.machine.quick else 400
    async with AsyncExitStack() as parts:
        guarded, guard = await parts.enter_async_context(_guarded(stage))
        closed = await parts.enter_async_context(_closed(closed_url))
        plain = await parts.enter_async_context(_plain(plain_url))
        ids = await _list_games(plain_url)
        guard.seconds.clear()
        before = guarded_commits()
        ways = {"plain, no triggers": plain, "guard, closed": closed, "guard, Redis": guarded}
        times = await _write(ways, ids, number)
        seen, seconds = (now - then for now, then in zip(guarded_commits(), before, strict=True))
    report.title(f"cache, one price changed: {number} transactions of each kind in turns, ms")
    report.line("", "p50", "p99", "max")
    for name, found in times.items():
        report.line(name, percentile(found, 0.5), percentile(found, 0.99), max(found))
    report.line("  added, p50", _added(times, 0.5))
    own = [spent * 1000 for spent in guard.seconds]
    report.line("  the guard's own steps", *_shown(own))
    report.line("  of them INTENT, GUARD, PUBLISH, mean", seconds / seen * 1000)
    report.goals(
        Goal(text="  written guarded", value=seen / number, least=1),
        Goal(text="  the guard's steps, p99", value=percentile(own, 0.99), most=_MAX, unit=" ms"),
        Goal(text="  p99 above plain's p99", value=_added(times, 0.99), most=_MAX, unit=" ms"),
    )


def _shown(values: list[float]) -> tuple[float, float, float]:
    return percentile(values, 0.5), percentile(values, 0.99), max(values)


def _added(times: dict[str, list[float]], share: float) -> float:
    return percentile(times["guard, Redis"], share) - percentile(times["plain, no triggers"], share)


async def _write(ways: dict[str, Write], ids: list[str], number: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for place in range(number):
        price = Decimal(1000 + place) / 100
        for name, write in ways.items():
            begun = time.perf_counter()
            await write(ids[place % len(ids)], price)
            times[name].append((time.perf_counter() - begun) * 1000)
    return times


@asynccontextmanager
async def _guarded(stage: Stage) -> AsyncIterator[tuple[Write, TimedGuard]]:
    async with open_cache(stage.database_url, stage.redis_url) as opened:
        guard = TimedGuard(opened.guard)
        db = Database(stage.database_url, guard=guard)
        await db.open()
        try:
            async with run_outbox_cleanup(opened.guard, db):
                await wait_for_commits(db)
                yield _through(db), guard
        finally:
            await db.close()


@asynccontextmanager
async def _closed(database_url: str) -> AsyncIterator[Write]:
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    try:
        yield _through(db)
    finally:
        await db.close()


def _through(db: Database) -> Write:
    async def write(game_id: str, price: Decimal) -> None:
        async with db.transaction() as tx:
            await tx.execute(_SET_PRICE, game_id, price)

    return write


@asynccontextmanager
async def _plain(database_url: str) -> AsyncIterator[Write]:
    connection = await asyncpg.connect(database_url, ssl=False)

    async def write(game_id: str, price: Decimal) -> None:
        async with connection.transaction():
            await connection.execute(_SET_PRICE, game_id, price)

    try:
        yield write
    finally:
        await connection.close()


async def _list_games(database_url: str) -> list[str]:
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        return [record[0] for record in await connection.fetch(_SOME_GAMES)]
    finally:
        await connection.close()
