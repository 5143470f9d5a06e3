"""The command `python -m bench`: measures the shop's speed; a missed goal does not make it fail."""

import argparse
import asyncio
import os
import platform
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import Final

import asyncpg

from bench.accounts.compare_personal_reads import compare_personal_reads
from bench.accounts.measure_load import measure_load
from bench.cache.measure import measure_cache
from bench.catalogue import fill
from bench.compare_api import compare_api
from bench.compare_orders import compare_orders
from bench.compare_writes import compare_writes
from bench.machine import EMPTY, Machine, copy_database, open_home
from bench.report import Report
from bench.time_search import time_search
from bench.time_start import time_start
from bench.time_sync import time_sync
from keyshop.embedded.postgres import PostgresServer
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.logs import configure_logging
from keyshop.schema.migrate import upgrade

_SECTIONS: Final = ("start", "api", "cache", "personal", "search", "write", "orders", "sync")
_BY_NAME_ONLY: Final = ("load",)  # takes as long as all others together


def main() -> None:
    """Run the named sections, or all of them."""
    wanted = _arguments()
    # So that SIGTERM stops the servers of the run as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure_logging("json", "error")
    begun, report = perf_counter(), Report(as_json=wanted.json)
    with ExitStack() as stack:
        home = stack.enter_context(open_home())
        postgres = stack.enter_context(PostgresServer(home))
        machine = Machine(home, postgres, report, wanted.quick)
        try:
            run_fast(_run(machine, set(wanted.sections or _SECTIONS)))
        except KeyboardInterrupt:
            report.fault("The run was stopped before its end.")
        report.note(f"\nThe run took {perf_counter() - begun:.0f} s.")
        report.summary()
    if report.faults:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = (*_SECTIONS, *_BY_NAME_ONLY)
    parser.add_argument(
        "sections", nargs="*", metavar="|".join(names), help="all but `load` unless named"
    )
    parser.add_argument("--quick", action="store_true", help="small catalogues and few runs")
    parser.add_argument(
        "--json", action="store_true", help="print one object at the end, and nothing else"
    )
    wanted = parser.parse_args()
    if unknown := set(wanted.sections) - set(names):
        parser.error(f"unknown section {', '.join(sorted(unknown))}")
    return wanted


async def _run(machine: Machine, sections: set[str]) -> None:
    await _prepare(machine)
    if "start" in sections:
        time_start(machine)
    if sections & {"api", "search"}:
        games = 10_000 if machine.quick else 100_000
        database_url = await _fill(machine, games)
        if "api" in sections:
            await compare_api(machine, database_url)
        if "search" in sections:
            await time_search(machine, database_url, games=games)
    for name, measure in _MEASURES.items():
        if name in sections:
            await measure(machine)


_MEASURES: Final[Mapping[str, Callable[[Machine], Awaitable[None]]]] = {
    "cache": measure_cache,
    "personal": compare_personal_reads,
    "write": compare_writes,
    "orders": compare_orders,
    "sync": time_sync,
    "load": measure_load,
}


async def _prepare(machine: Machine) -> None:
    connection = await asyncpg.connect(machine.postgres.url_of("postgres"), ssl=False)
    try:
        await connection.execute(f'CREATE DATABASE "{EMPTY}"')
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    await asyncio.to_thread(upgrade, machine.postgres.url_of(EMPTY))
    machine.report.note(
        f"keyshop, {utc_now():%Y-%m-%d %H:%M} UTC: {os.cpu_count()} cores, load"
        f" {os.getloadavg()[0]:.1f} before; Python {platform.python_version()},"
        f" PostgreSQL {version}"
    )


async def _fill(machine: Machine, games: int) -> str:
    database_url = await copy_database(machine.postgres, "bench_games")
    db = Database(database_url, guard=RedisCommitGuard(None))
    await db.open()
    try:
        begun = perf_counter()
        await fill(db, games)
        machine.report.note(f"Made {games:,} games in {perf_counter() - begun:.0f} s.")
    finally:
        await db.close()
    return database_url


if __name__ == "__main__":
    main()
