"""Whole syncs over HTTP with the budget and the page ceiling lifted: pace, memory, rows written."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from bench.machine import Machine, Process, copy_database, python
from bench.report import Goal
from bench.sync_process import Outcome
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
_MOST_MEMORY: Final = 150  # MB


async def time_sync(machine: Machine) -> None:
    """Sync catalogues of two sizes twice each."""
    sizes = (2_000, 10_000) if machine.quick else (10_000, 100_000)
    machine.report.title("sync: over HTTP from the simulator, its work and PostgreSQL's included")
    machine.report.line(
        "", "seconds", "products/s", "write s", "own CPU s", "peak MB", "rows written"
    )
    for products in sizes:
        database_url = await copy_database(machine.postgres, "bench_sync")
        with _simulator(machine, products) as supplier_url:
            await _sync_twice(machine, database_url, supplier_url, products)


async def _sync_twice(
    machine: Machine, database_url: str, supplier_url: str, products: int
) -> None:
    first, written_first = await _sync(machine, database_url, supplier_url)
    again, written_again = await _sync(machine, database_url, supplier_url)
    for name, outcome, written in (
        (f"{products:,} products, first sync", first, written_first),
        (f"{products:,} products, nothing changed", again, written_again),
    ):
        if outcome.run.state is not RunState.COMPLETE:
            raise RuntimeError(f"The sync is {outcome.run.state}: {outcome.run.reason}")
        machine.report.line(
            name,
            outcome.seconds,
            products / outcome.seconds,
            outcome.run.write_seconds,
            outcome.cpu_seconds,
            outcome.peak_megabytes,
            written,
        )
    peak = max(first.peak_megabytes, again.peak_megabytes)
    share = again.run.write_seconds / first.run.write_seconds
    machine.report.goals(
        Goal(text="  first, products/s", value=products / first.seconds, least=_LEAST_NEW),
        Goal(text="  unchanged, products/s", value=products / again.seconds, least=_LEAST_SAME),
        Goal(text="  peak memory", value=peak, most=_MOST_MEMORY, unit=" MB"),
        Goal(text="  write path, share of the first run's", value=share, most=0.2),
        Goal(text="  rows written though nothing changed", value=written_again, most=0),
    )


async def _sync(machine: Machine, database_url: str, supplier_url: str) -> tuple[Outcome, int]:
    before = await _rows_written(database_url)
    command = python("bench.sync_process", database_url, supplier_url)
    with Process(command, log=machine.home / "sync.log", talks=True) as process:
        line = await asyncio.to_thread(process.read_line)
    outcome = msgspec.json.decode(line, type=Outcome)
    return outcome, await _rows_written(database_url) - before


async def _rows_written(database_url: str) -> int:
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        # A session hands in its figures when it ends, which may be a moment after its process.
        for _ in range(100):
            if not await connection.fetchval(_OTHERS):
                break
            await asyncio.sleep(0.05)
        return int(await connection.fetchval(_ROWS_WRITTEN))
    finally:
        await connection.close()


@contextmanager
def _simulator(machine: Machine, products: int) -> Iterator[str]:
    command = [
        str(Path(sys.executable).with_name("g2a-simulator")),
        *("--port", "0", "--products", str(products), "--page-ceiling", "0"),
        *("--requests-per-minute", "0", "--exit-with", str(os.getpid())),
    ]
    with Process(command, log=machine.home / "simulator.log", talks=True) as process:
        found = re.search(r"http://\S+", process.read_line())
        if found is None:
            raise RuntimeError("The simulator did not say its address.")
        yield found[0]
