"""The cost of a cache miss, compared with a read that does not use Redis."""

import asyncio
import time
from typing import Final

from bench.cache.stage import Stage
from bench.cache.trust import wait_for_reads
from bench.report import percentile
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.open import open_cache
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.cache.protocol import Cache
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.storefront.show_game import show_game

# Other games than those that are requested over HTTP.
_COLD_GAMES: Final = "SELECT id FROM games ORDER BY id DESC LIMIT $1"
_BLOCK: Final = 50  # reads
_FILL_DELAY: Final = 0.01  # seconds until the last FILL of a block is sent


async def time_misses(stage: Stage) -> None:
    """Read each cold game once, in blocks in turns; print milliseconds and processor time."""
    report, number = stage.machine.report, 300 if stage.machine.quick else 1_000
    db = Database(stage.database_url, guard=RedisCommitGuard(None))
    await db.open()
    try:
        async with db.read() as reader:
            ids = [record[0] for record in await reader.fetch(_COLD_GAMES, 2 * number)]
        async with open_cache(stage.database_url, stage.redis_url) as opened:
            await wait_for_reads(db, opened.cache)
            ways: dict[str, Cache] = {"without": PassThrough(), "with": opened.cache}
            found = await _take_turns(db, ways, ids)
            again, _ = await _read(db, opened.cache, ids[-_BLOCK:])
    finally:
        await db.close()
    report.title(f"cache, one game that is not in it: {number} reads of each kind in turns")
    report.line("", "p50 ms", "p99 ms", "µs of CPU")
    shown = {name: _figures(*kept) for name, kept in found.items()}
    report.line("without the cache", *shown["without"])
    report.line("miss: GET, ACQUIRE, load, FILL", *shown["with"])
    report.line("  added", *(b - a for a, b in zip(shown["without"], shown["with"], strict=True)))
    report.line("the same again, in it by now", percentile(again, 0.5), percentile(again, 0.99))


def _figures(milliseconds: list[float], cpu_seconds: float) -> tuple[float, float, float]:
    cpu = cpu_seconds / len(milliseconds) * 1e6
    return percentile(milliseconds, 0.5), percentile(milliseconds, 0.99), cpu


async def _take_turns(
    db: Database, ways: dict[str, Cache], ids: list[str]
) -> dict[str, tuple[list[float], float]]:
    found: dict[str, tuple[list[float], float]] = dict.fromkeys(ways, ([], 0.0))
    names = list(ways)
    for turn, begin in enumerate(range(0, len(ids), _BLOCK)):
        name = names[turn % len(names)]
        times, cpu = await _read(db, ways[name], ids[begin : begin + _BLOCK])
        found[name] = (found[name][0] + times, found[name][1] + cpu)
    return found


async def _read(db: Database, cache: Cache, ids: list[str]) -> tuple[list[float], float]:
    times = []
    before = time.process_time()
    for game_id in ids:
        begun = time.perf_counter()
        await show_game(db, cache, game_id=game_id, now=utc_now())
        times.append((time.perf_counter() - begun) * 1000)
    await asyncio.sleep(_FILL_DELAY)
    return times, time.process_time() - before
