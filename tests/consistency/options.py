"""What the checker is asked to do."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from secrets import randbits
from typing import Final

from msgspec import Struct

from tests.consistency.faults import FAULTS, Strike
from tests.consistency.weakened.names import WEAKENED, Circumstances

_HALF_AN_HOUR: Final = 1800


class Options(Struct, frozen=True, kw_only=True):
    """One run."""

    seconds: float
    reads: int | None = None
    """End earlier, when there are so many."""

    seed: int
    faults: tuple[str, ...] = ()
    api_processes: int = 2
    workers: int = 2
    readers: int = 1
    persons: int = 2
    """Processes that read what is one person's inside the shop, without a door in between."""

    connections: int = 4
    """Of each process of readers to each process of the API; half as much is read at once inside."""

    server: str = "valkey"
    uncached: int = 0
    """So many of the API's processes, and two of the writers, run with CACHE_MODE=off."""

    uncached_writers: bool = False
    """Whether all writers inside the shop run with CACHE_MODE=off."""

    haste: float = 1.0
    """How many times more is written than by default."""

    slow_loads: float = 0.05
    """So much of what passes between PostgreSQL and the API waits for 2 to 40 ms."""

    slow_writes: float = 0.05
    """As much between PostgreSQL and the writers inside the shop."""

    weakened: str | None = None
    """Which weakened cache runs in the place of the product's."""

    strikes: tuple[Strike, ...] = ()
    """What is to go wrong again and again, in the place of what the seed decides."""

    fault_every: float = 2.0
    """Seconds from the beginning of one fault to that of the next, on average."""

    base_urls: tuple[str, ...] = ()
    database_url: str | None = None
    redis_url: str | None = None
    report: Path | None = None
    keep: Path | None = None
    """Where notes and logs are left when something was found."""


def read_options(words: list[str]) -> Options:
    """Read a command line; what makes no sense ends the program with a sentence."""
    parser = _parser()
    wanted = WEAKENED.get(parser.parse_known_args(words)[0].weakened)
    if wanted is not None:
        parser.set_defaults(nemeses="none", **_circumstances(wanted))
    given = parser.parse_args(words)
    if bool(given.base_url) != bool(given.database_url):
        parser.error("--base-url and --database-url go together")
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
        strikes=wanted.strikes if wanted else (),
        fault_every=given.fault_every,
        base_urls=tuple(given.base_url or ()),
        database_url=given.database_url,
        redis_url=given.redis_url,
        report=given.report,
        keep=given.keep,
    )


def _circumstances(wanted: Circumstances) -> dict[str, object]:
    """Return the options that bring a weakness to light."""
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
    asked: str = given.nemeses or ("none" if foreign else "all")
    if asked in {"all", "none"}:
        return tuple(possible) if asked == "all" else ()
    names = tuple(name.strip() for name in asked.split(","))
    chosen = tuple(
        known
        for known in possible
        if any(known == name or known.startswith(f"{name}.") for name in names)
    )
    for name in names:
        if not any(known == name or known.startswith(f"{name}.") for known in possible):
            parser.error(f"there is no nemesis {name} here; there are: {', '.join(possible)}")
    return chosen


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m tests.consistency",
        description="Try to catch a shop showing an old value. Ends with 0 when it was not caught.",
    )
    add = parser.add_argument
    add("--seconds", type=float, default=_HALF_AN_HOUR, help="length of the run (1800)")
    add("--reads", type=int, help="end when there were so many reads, if that comes first")
    add("--seed", type=int, help="the seed of an earlier run, whose decisions are to be repeated")
    add("--nemeses", metavar="LIST", help="all, none, or names or groups such as redis,api.kill")
    add("--fault-every", type=float, default=2.0, metavar="S", help="seconds between faults (2)")
    add("--api-processes", type=int, default=2, help="processes of the API (2)")
    add("--workers", type=int, default=2, help="worker processes, each with a relay (2)")
    add("--uncached", type=int, default=0, help="so many API processes with CACHE_MODE=off (0)")
    add("--uncached-writers", action="store_true", help="all writers with CACHE_MODE=off")
    add("--haste", type=float, default=1.0, metavar="X", help="write so many times more (1)")
    add("--slow-loads", type=float, default=0.05, metavar="SHARE", help="of the API's (0.05)")
    add("--slow-writes", type=float, default=0.05, metavar="SHARE", help="of the writers' (0.05)")
    add("--weakened", choices=WEAKENED, help="take a rule away from the cache; it must be caught")
    add("--readers", type=int, default=1, help="processes that read (1)")
    add("--persons", type=int, default=2, help="processes that read what is one person's (2)")
    add("--connections", type=int, default=4, help="connections of each reader to each API (4)")
    add("--server", choices=["valkey", "redis"], default="valkey", help="which cache server")
    add("--base-url", action="append", metavar="URL", help="a shop that runs; may be repeated")
    add("--database-url", metavar="URL", help="the database of that shop; games are added to it")
    add("--redis-url", metavar="URL", help="the cache of that shop, for the writers")
    add("--report", type=Path, metavar="FILE", help="write the report there too")
    add("--keep", type=Path, metavar="DIR", help="copy all notes and logs there at the end")
    return parser
