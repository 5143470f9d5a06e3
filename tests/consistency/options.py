"""The checker's command line options."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from secrets import randbits
from typing import Final

from msgspec import Struct

from tests.consistency.faults import FAULTS, PlannedFault
from tests.consistency.weakened.names import WEAKENED, Conditions

_HALF_AN_HOUR: Final = 1800


class Options(Struct, frozen=True, kw_only=True):
    """The options of one run."""

    seconds: float
    reads: int | None = None
    """End earlier, after this many reads."""

    seed: int
    faults: tuple[str, ...] = ()
    api_processes: int = 2
    workers: int = 2
    readers: int = 1
    persons: int = 2
    """Processes that read personal data by calling the shop directly, without HTTP."""

    connections: int = 4
    """From each reader process to each API process; direct readers run half as many reads in parallel."""

    server: str = "valkey"
    uncached: int = 0
    """The number of API processes with CACHE_MODE=off; two writers use the same mode."""

    uncached_writers: bool = False
    """Whether all writers inside the shop run with CACHE_MODE=off."""

    haste: float = 1.0
    """The write rate as a multiple of the default."""

    slow_loads: float = 0.05
    """The share of the traffic between PostgreSQL and the API that is delayed by 2 to 40 ms."""

    slow_writes: float = 0.05
    """The same share between PostgreSQL and the writers inside the shop."""

    weakened: str | None = None
    """The weakened cache that replaces the product's."""

    planned_faults: tuple[PlannedFault, ...] = ()
    """Faults that are repeated in this order, instead of those that the seed decides."""

    fault_every: float = 2.0
    """Average seconds between the beginnings of two faults."""

    hostile_role: bool = False
    """Whether the shop's role has settings of another application, such as another search_path."""

    base_urls: tuple[str, ...] = ()
    database_url: str | None = None
    redis_url: str | None = None
    report: Path | None = None
    keep: Path | None = None
    """The folder to which notes and logs are copied at the end."""


def read_options(words: list[str]) -> Options:
    """Parse a command line; invalid options end the program with a message."""
    parser = _parser()
    wanted = WEAKENED.get(parser.parse_known_args(words)[0].weakened)
    if wanted is not None:
        parser.set_defaults(nemeses="none", **_conditions(wanted))
    given = parser.parse_args(words)
    if bool(given.base_url) != bool(given.database_url):
        parser.error("--base-url and --database-url go together")
    if given.base_url and not os.environ.get("KEY_ENCRYPTION_KEYS"):
        # With generated keys, the writers would add a version of their own to that shop's vault.
        parser.error("--base-url needs that shop's KEY_ENCRYPTION_KEYS in the environment")
    if given.base_url and given.hostile_role:
        parser.error("--hostile-role is for a shop that the checker starts")
    return Options(
        seconds=given.seconds,
        reads=given.reads,
        seed=given.seed if given.seed is not None else randbits(32),
        faults=_faults(parser, given),
        api_processes=given.api_processes,
        workers=given.workers,
        readers=given.readers,
        persons=given.persons,
        connections=given.connections,
        server=given.server,
        uncached=given.uncached,
        uncached_writers=given.uncached_writers,
        haste=given.haste,
        slow_loads=given.slow_loads,
        slow_writes=given.slow_writes,
        weakened=given.weakened,
        planned_faults=wanted.planned_faults if wanted else (),
        fault_every=given.fault_every,
        hostile_role=given.hostile_role,
        base_urls=tuple(given.base_url or ()),
        database_url=given.database_url,
        redis_url=given.redis_url,
        report=given.report,
        keep=given.keep,
    )


def _conditions(wanted: Conditions) -> dict[str, object]:
    """Return the options under which the checker catches the weakened cache."""
    return {
        "seconds": wanted.seconds,
        "connections": wanted.connections,
        "haste": wanted.haste,
        "uncached_writers": wanted.uncached_writers,
        "slow_loads": wanted.slow_loads,
        "slow_writes": wanted.slow_writes,
    }


def _faults(parser: ArgumentParser, given: Namespace) -> tuple[str, ...]:
    foreign = bool(given.base_url)
    possible = [name for name, fault in FAULTS.items() if fault.from_outside or not foreign]
    requested: str = given.nemeses or ("none" if foreign else "all")
    if requested in {"all", "none"}:
        return tuple(possible) if requested == "all" else ()
    names = tuple(name.strip() for name in requested.split(","))
    chosen = tuple(
        known
        for known in possible
        if any(known == name or known.startswith(f"{name}.") for name in names)
    )
    for name in names:
        if not any(known == name or known.startswith(f"{name}.") for known in possible):
            parser.error(f"unknown nemesis {name}; choose from {', '.join(possible)}")
    return chosen


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.consistency",
        description="Check that a shop never shows an old value. Exit status 0 means no violation.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=_HALF_AN_HOUR, help="length of the run (1800)")
    add("--reads", type=int, help="end after this many reads, if that comes first")
    add("--seed", type=int, help="repeat the decisions of an earlier run with this seed")
    add("--nemeses", metavar="LIST", help="all, none, or names and groups such as redis,api.kill")
    add("--fault-every", type=float, default=2.0, metavar="S", help="seconds between faults (2)")
    add("--api-processes", type=int, default=2, help="processes of the API (2)")
    add("--workers", type=int, default=2, help="worker processes, each with a relay (2)")
    add("--uncached", type=int, default=0, help="API processes with CACHE_MODE=off (0)")
    add("--uncached-writers", action="store_true", help="run all writers with CACHE_MODE=off")
    add(
        "--hostile-role",
        action="store_true",
        help="give the shop's database role a foreign search_path, isolation, timeouts and formats",
    )
    add("--haste", type=float, default=1.0, metavar="X", help="multiply the write rate by this (1)")
    add(
        "--slow-loads",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="delayed database traffic of the API (0.05)",
    )
    add(
        "--slow-writes",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="delayed database traffic of the writers (0.05)",
    )
    add(
        "--weakened",
        choices=WEAKENED,
        help="run a cache without one rule; the checker must catch it",
    )
    add("--readers", type=int, default=1, help="reader processes (1)")
    add("--persons", type=int, default=2, help="processes that read personal data (2)")
    add(
        "--connections",
        type=int,
        default=4,
        help="connections of each reader to each API process (4)",
    )
    add("--server", choices=["valkey", "redis"], default="valkey", help="which cache server")
    add("--base-url", action="append", metavar="URL", help="a running shop; may be repeated")
    add(
        "--database-url",
        metavar="URL",
        help="the database of that shop; the checker adds games to it",
    )
    add("--redis-url", metavar="URL", help="the cache of that shop, for the writers")
    add("--report", type=Path, metavar="FILE", help="also write the report to this file")
    add(
        "--keep", type=Path, metavar="DIR", help="copy all notes and logs to this folder at the end"
    )
    return parser
