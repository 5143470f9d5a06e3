"""One run: start or borrow a shop, run readers, writers and nemeses, and judge the reads."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import msgspec

from keyshop.assembly import open_database
from tests.consistency.faults import plan_faults
from tests.consistency.findings import judge_notes
from tests.consistency.games import add_watched_games, read_last_versions, remove_watched_games
from tests.consistency.journal import Journal
from tests.consistency.metrics import add_up, count_inside, read_cache_reads
from tests.consistency.nemeses import Nemeses
from tests.consistency.options import Options
from tests.consistency.outside import foreign_world
from tests.consistency.parts import Parts
from tests.consistency.persons import add_persons, remove_persons
from tests.consistency.processes import Child, python
from tests.consistency.read_shop import ShopReaderConfig
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.report import Result, describe_violations, write_report
from tests.consistency.world import own_world, wait_for

_PASSWORD: Final = re.compile(r"(://[^/@:]*:)[^@]*@")
_POLL_INTERVAL: Final = 0.5  # seconds
_RECOVERY_SECONDS: Final = 3.0  # seconds without faults at the end
_DISCOVERY_SECONDS: Final = 1.2  # seconds until a running shop shows the added games


def check(options: Options, *, words: list[str]) -> bool:
    """Run, print the report, and return whether the shop kept its promise."""
    with foreign_world(options) if options.base_urls else own_world(options) as parts:
        result = asyncio.run(_check(parts, options, command=_command(words)))
        report = write_report(result)
        sys.stdout.write(report)
        if options.report is not None:
            options.report.write_text(report)
        if result.findings.violations:
            sys.stdout.write("\n" + describe_violations(result.findings, parts.notes) + "\n")
        if options.keep is not None:
            shutil.copytree(parts.notes.parent, options.keep, dirs_exist_ok=True, ignore=_servers)
        return result.is_good


def _command(words: list[str]) -> str:
    shown = [_PASSWORD.sub(r"\1***@", word) for word in words]
    return shlex.join(["python", "-m", "tests.consistency", *shown])


def _servers(folder: str, names: list[str]) -> list[str]:
    del folder
    return [name for name in names if name not in {"notes", "logs"} and "." not in name]


async def _check(parts: Parts, options: Options, *, command: str) -> Result:
    journal = Journal()
    recovery = RecoveryWatch(parts.base_urls)
    async with open_database(parts.database_url) as db:
        await remove_persons(db)
        await add_watched_games(db, parts.products)
        await add_persons(db)
    try:
        seconds = await _run_processes(parts, options, journal, recovery)
        families = await _count_cache_reads(parts)
        async with open_database(parts.database_url) as db:
            last = await read_last_versions(db)
    finally:
        await _end(parts.children)
        if options.base_urls:
            async with open_database(parts.database_url) as db:
                await remove_persons(db)
                await remove_watched_games(db)
    findings = judge_notes(parts.notes, last=last, outages=journal.outages)
    families += [count_inside(path) for path in parts.notes.glob("persons*.metrics")]
    cache = add_up(families)
    return Result(command, options, seconds, findings, journal, recovery, cache)


async def _run_processes(
    parts: Parts, options: Options, journal: Journal, recovery: RecoveryWatch
) -> float:
    """Run all processes, and return for how many seconds the readers ran."""
    for child in (*parts.apis, *parts.workers):
        child.start()
    for url in parts.base_urls:
        await asyncio.to_thread(wait_for, f"{url}/live")
    await asyncio.sleep(_DISCOVERY_SECONDS)
    readers = _readers(parts, options)
    began = monotonic()
    for child in (*parts.writers, *parts.readers, *readers):
        child.start()
    nemeses = Nemeses(parts, journal, recovery)
    keeping = asyncio.create_task(nemeses.keep_alive())
    searching = asyncio.create_task(_search_redis(parts, journal))
    planned = plan_faults(options.seed, options.faults, every=options.fault_every)
    planned_faults = cycle(options.planned_faults) if options.planned_faults else planned
    injecting = asyncio.create_task(nemeses.run(planned_faults))
    try:
        await _wait_until_done(
            readers, parts.notes, options, watched=(keeping, injecting, searching)
        )
        injecting.cancel()
        await nemeses.finish()
        await asyncio.sleep(min(_RECOVERY_SECONDS, options.seconds / 10))
    finally:
        injecting.cancel()
        keeping.cancel()
        searching.cancel()
        await _end((*readers, *parts.readers, *parts.writers))
    return monotonic() - began


async def _end(children: Iterable[Child]) -> None:
    await asyncio.gather(*(asyncio.to_thread(child.end) for child in children))


async def _search_redis(parts: Parts, journal: Journal) -> None:
    url = parts.redis_url if parts.redis is None else parts.redis.url
    if url is not None:
        await journal.key_texts.keep_searching(url)


async def _wait_until_done(
    readers: list[Child], notes: Path, options: Options, *, watched: tuple[asyncio.Task[None], ...]
) -> None:
    until = monotonic() + options.seconds
    while monotonic() < until:
        await asyncio.sleep(min(_POLL_INTERVAL, max(0.0, until - monotonic())))
        for task in watched:
            # A nemesis that fails is an error of the checker.
            if task.done() and task.exception() is not None:
                task.result()
        for child in readers:
            if not child.is_running():
                raise RuntimeError(f"{child.name} has ended; see its log.")
        if options.reads is not None and _answers(readers, notes) >= options.reads:
            return


def _readers(parts: Parts, options: Options) -> list[Child]:
    addresses = [(urlsplit(url).hostname, urlsplit(url).port or 80) for url in parts.base_urls]
    made = []
    for place in range(options.readers):
        config = ShopReaderConfig(
            apis=[(str(host), port) for host, port in addresses],
            connections=options.connections,
            seed=options.seed + place,
            log=str(parts.notes / f"reader{place}.reads"),
            secret=parts.secret,
        )
        line = python("tests.consistency.read_shop", msgspec.json.encode(config).decode())
        made.append(_reader(f"reader{place}", line, parts.notes))
    return made


def _reader(name: str, line: list[str], notes: Path) -> Child:
    return Child(name, lambda: line, env=dict(os.environ), log=notes / f"{name}.count")


def _answers(readers: list[Child], notes: Path) -> int:
    total = 0
    for child in readers:
        lines = (notes / f"{child.name}.count").read_bytes().split()
        total += int(lines[-1]) if lines else 0
    return total


async def _count_cache_reads(parts: Parts) -> list[dict[str, Counter[str]]]:
    return [await asyncio.to_thread(read_cache_reads, url) for url in parts.base_urls]
