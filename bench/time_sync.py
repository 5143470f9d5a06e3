"""The section `sync`: whole syncs over HTTP without rate and page limits."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from bench.machine import Machine, Process, copy_database, postgres_cpu_seconds, python
from bench.report import Goal
from bench.sync_process import SyncCost
from keyshop.sync.rules import RunState

_ROWS_WRITTEN: Final = """
    SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relid = 'games'::regclass
"""
_OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_LEAST_NEW: Final = 1_500  # products a second
_LEAST_SAME: Final = 4_000
_MAX_MEMORY: Final = 150  # MB


class _Simulator(Process):
    """The supplier's simulator without its limits."""

    def __init__(self, machine: Machine, products: int) -> None:
        command = [
            str(Path(sys.executable).with_name("g2a-simulator")),
            *("--port", "0", "--products", str(products), "--page-ceiling", "0"),
            *("--requests-per-minute", "0", "--exit-with", str(os.getpid())),
        ]
        super().__init__(command, log=machine.home / "simulator.log", talks=True)
        self.url = self.read_line().split(" at ")[1].split()[0]


async def time_sync(machine: Machine) -> None:
    """Sync catalogues of two sizes twice each."""
    sizes = (2_000, 10_000) if machine.quick else (10_000, 100_000)
    machine.report.title(
        "sync: over HTTP from the simulator, which shares the cores with PostgreSQL and the sync"
    )
    machine.report.line(
        "", "seconds", "products/s", "write s", "CPU s: own", "PostgreSQL", "simulator", "peak MB"
    )
    for products in sizes:
        database_url = await copy_database(machine.postgres, "bench_sync")
        with _Simulator(machine, products) as supplier:
            await _sync_twice(machine, database_url, supplier, products)


async def _sync_twice(
    machine: Machine, database_url: str, supplier: _Simulator, products: int
) -> None:
    # `write s` includes the reads that run at the same time; PostgreSQL's processor time does not.
    first, first_cost = await _sync(
        machine, database_url, supplier, f"{products:,} products, first sync"
    )
    before = await _rows_written(database_url)
    again, again_cost = await _sync(
        machine, database_url, supplier, f"{products:,} products, nothing changed"
    )
    written = await _rows_written(database_url) - before
    peak = max(first.peak_megabytes, again.peak_megabytes)
    machine.report.goals(
        Goal(text="  first, products/s", value=products / first.seconds, least=_LEAST_NEW),
        Goal(text="  unchanged, products/s", value=products / again.seconds, least=_LEAST_SAME),
        Goal(text="  peak memory", value=peak, most=_MAX_MEMORY, unit=" MB"),
        Goal(
            text="  PostgreSQL's time, share of the first", value=again_cost / first_cost, most=0.2
        ),
        Goal(text="  rows written when nothing changed", value=written, most=0),
    )


async def _sync(
    machine: Machine, database_url: str, supplier: _Simulator, name: str
) -> tuple[SyncCost, float]:
    before = (postgres_cpu_seconds(machine), supplier.cpu_seconds)
    command = python("bench.sync_process", database_url, supplier.url)
    with Process(command, log=machine.home / "sync.log", talks=True) as process:
        line = await asyncio.to_thread(process.read_line)
    synced = msgspec.json.decode(line, type=SyncCost)
    if synced.run.state is not RunState.COMPLETE:
        raise RuntimeError(f"The sync is {synced.run.state}: {synced.run.reason}")
    await _sessions_end(database_url)
    cost = postgres_cpu_seconds(machine) - before[0]
    machine.report.line(
        name,
        synced.seconds,
        synced.run.products / synced.seconds,
        synced.run.write_seconds,
        synced.cpu_seconds,
        cost,
        supplier.cpu_seconds - before[1],
        synced.peak_megabytes,
    )
    return synced, cost


async def _rows_written(database_url: str) -> int:
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        return int(await connection.fetchval(_ROWS_WRITTEN))
    finally:
        await connection.close()


async def _sessions_end(database_url: str) -> None:
    """Wait until all sessions have ended: only then are their statistics complete."""
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        for _ in range(100):
            if not await connection.fetchval(_OTHERS):
                return
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
