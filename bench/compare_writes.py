"""The section `write`: writes batches into the catalogue, compared with COPY of the same rows."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Final

from bench.machine import Machine, copy_database
from bench.report import Goal
from bench.supplier_games import dearer, supplier_game
from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import SupplierGame
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.sync.rules import BATCH_SIZE

_COLUMNS_OF_GAMES: Final = """
    SELECT array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = 'games'
"""


async def compare_writes(machine: Machine) -> None:
    """Write the same rows in every way, several times, and print the medians."""
    number, rounds = (4_000, 1) if machine.quick else (20_000, 3)
    report = machine.report
    games = [supplier_game(place) for place in range(number)]
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, spent in (await _round(machine, games)).items():
            times.setdefault(name, []).append(spent)
    report.title(
        f"write: {number:,} rows in batches of {BATCH_SIZE}, medians of {rounds} rounds"
        " on fresh databases"
    )
    report.line("", "seconds", "rows/s")
    seconds = {name: median(found) for name, found in times.items()}
    for name, spent in seconds.items():
        report.line(name, spent, number / spent)
    copy, changed, same = seconds[_COPY], seconds[_CHANGED], seconds[_SAME]
    report.goals(
        Goal(text="  all changed: speed of COPY reached", value=copy / changed, least=0.5),
        Goal(text="  unchanged, times as fast as changed", value=changed / same, least=5),
        Goal(text="  unchanged, share of the first run", value=same / seconds[_NEW], most=0.2),
    )


_COPY: Final = "COPY into games, one statement"
_NEW: Final = "all new"
_SAME: Final = "unchanged"
_CHANGED: Final = "all changed (price)"
_FEW: Final = "2 % changed"


async def _round(machine: Machine, games: Sequence[SupplierGame]) -> dict[str, float]:
    db = Database(
        await copy_database(machine.postgres, "bench_merge"), guard=RedisCommitGuard(None)
    )
    await db.open()
    try:
        raised = [dearer(game) for game in games]
        some = [dearer(game) if i % 50 == 0 else game for i, game in enumerate(raised)]
        seconds = {_NEW: await _merge(db, games, expect=lambda m: m == (len(games), 0))}
        async with db.read() as reader:
            await reader.fetch("VACUUM ANALYZE")
        seconds[_SAME] = await _merge(db, games, expect=lambda m: m == (0, 0))
        seconds[_CHANGED] = await _merge(db, raised, expect=lambda m: m == (0, len(games)))
        seconds[_FEW] = await _merge(db, some, expect=lambda m: m == (0, -(-len(games) // 50)))
        async with db.read() as reader:
            columns: list[str] = await reader.fetchval(_COLUMNS_OF_GAMES)
            # In the order in which the merge inserted them.
            rows = await reader.fetch('SELECT * FROM games ORDER BY "createdAt", "g2aProductId"')
    finally:
        await db.close()
    return {_COPY: await _copy(machine, columns, [tuple(row) for row in rows]), **seconds}


async def _merge(
    db: Database, games: Sequence[SupplierGame], *, expect: Callable[[tuple[int, int]], bool]
) -> float:
    await _checkpoint(db)
    added = updated = 0
    begun = perf_counter()
    for begin in range(0, len(games), BATCH_SIZE):
        async with db.transaction() as tx:
            merged = await merge_games(tx, games[begin : begin + BATCH_SIZE], now=utc_now())
        added, updated = added + merged.added, updated + merged.updated
    seconds = perf_counter() - begun
    if not expect((added, updated)):
        raise RuntimeError(f"{added} games were added and {updated} changed.")
    return seconds


async def _copy(machine: Machine, columns: list[str], rows: list[tuple[object, ...]]) -> float:
    db = Database(await copy_database(machine.postgres, "bench_copy"), guard=RedisCommitGuard(None))
    await db.open()
    try:
        await _checkpoint(db)
        begun = perf_counter()
        async with db.transaction() as tx:
            await tx.copy_records("games", columns=columns, records=rows)
        return perf_counter() - begun
    finally:
        await db.close()


async def _checkpoint(db: Database) -> None:
    async with db.read() as reader:
        await reader.fetch("CHECKPOINT")
