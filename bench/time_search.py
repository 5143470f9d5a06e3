"""The section `search`: how long one visitor waits for search, suggestions and filters."""

from random import Random
from typing import Final
from urllib.parse import urlencode

import asyncpg

from bench.load import Visitors
from bench.machine import Machine, keyshop_api, postgres_cpu_seconds_so_far
from bench.report import Goal, percentile

_SEED: Final = 7
_WARM_UP: Final = 40  # requests
_REPEATS: Final = 30  # of each slow request, and of the scan; processor time is counted in 10 ms
_MAX_SCANS: Final = 4.0
_SCAN: Final = "SELECT count(*) FROM keyshop.game_facets WHERE in_stock AND NOT is_preorder"

_ADJECTIVES: Final = ("dark", "lost", "iron", "silent", "crimson", "eternal", "cyber", "stellar")
_NOUNS: Final = ("kingdom", "horizon", "legends", "empire", "odyssey", "dungeon", "dragon", "quest")
# "the" is in half of all titles, the verbs are only in descriptions, the last two are nowhere.
_COMMON: Final = ("the", "er", "game", "build", "conquer", "pirates", "publisher 1", "zzz", "qx")
_GENRES: Final = ("action", "adventure", "rpg", "strategy", "indie", "noir", "Co-op", "sandbox")
_PLATFORMS: Final = ("steam", "xbox-live", "psn", "nintendo", "GOG.COM", "uplay")
_REGIONS: Final = ("GLOBAL", "EUROPE", "NORTH AMERICA", "ASIA")
_PRESETS: Final = ("under-10", "10-25", "25-50", "50-100", "over-100")
_SORTS: Final = ("popular", "newest", "price-asc", "price-desc", "")


async def time_search(machine: Machine, database_url: str, *, games: int) -> None:
    """
    Send hundreds of different requests over one connection, and print their times.

    A busy machine doubles them. The processor time that PostgreSQL needs for the slowest three is
    compared with that of one scan of the narrow table, the least that a filter without an index takes.
    """
    report, number = machine.report, 120 if machine.quick else 500
    report.title(f"search: {games:,} games, one connection, {number} different requests each, ms")
    report.line("", "p50", "p99", "max")
    kinds = [
        ("catalogue page of 36 with filters", _page, 40),
        ("search", _search, 50),
        ("autocomplete", _autocomplete, 50),
    ]
    scan = await _scan_milliseconds(machine, database_url)
    report.line("PostgreSQL's processor time for one scan", scan)
    with keyshop_api(machine, database_url) as (_, port), Visitors(machine) as visitors:
        for name, target, most in kinds:
            random = Random(_SEED)
            targets = [target(random) for _ in range(_WARM_UP + number)]
            visitors.send(port, targets[:_WARM_UP], connections=1)
            times = visitors.send(port, targets[_WARM_UP:], connections=1).milliseconds
            p99 = percentile(times, 0.99)
            report.line(name, percentile(times, 0.5), p99, max(times))
            slowest = sorted(zip(times, targets[_WARM_UP:], strict=True), reverse=True)[:3]
            for milliseconds, path in slowest:
                report.note(f"  {milliseconds:6.1f} ms  {path}")
            begun = postgres_cpu_seconds_so_far(machine)
            visitors.send(port, [path for _, path in slowest] * _REPEATS, connections=1)
            spent = (postgres_cpu_seconds_so_far(machine) - begun) * 1000
            scans = spent / (len(slowest) * _REPEATS) / scan
            report.goals(
                Goal(text=f"  {name}, p99", value=p99, most=most, unit=" ms"),
                Goal(text="  the slowest three, in scans", value=scans, most=_MAX_SCANS),
            )


async def _scan_milliseconds(machine: Machine, database_url: str) -> float:
    """Return the processor time of one scan."""
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        await connection.execute("SET max_parallel_workers_per_gather = 0")
        await connection.fetchval(_SCAN)
        begun = postgres_cpu_seconds_so_far(machine)
        for _ in range(_REPEATS):
            await connection.fetchval(_SCAN)
        return (postgres_cpu_seconds_so_far(machine) - begun) * 1000 / _REPEATS
    finally:
        await connection.close()


def _page(random: Random) -> str:
    query: dict[str, object] = {"pageSize": 36, "sort": random.choice(_SORTS)}
    filters: list[tuple[str, object]] = [
        ("genres", ",".join(random.sample(_GENRES, random.randint(1, 3)))),
        ("platforms", ",".join(random.sample(_PLATFORMS, random.randint(1, 2)))),
        ("regions", random.choice(_REGIONS)),
        ("pricePreset", random.choice(_PRESETS)),
        ("inStockOnly", "true"),
        ("activationServices", "Steam"),
        ("publishers", f"Publisher {random.randint(0, 60)}"),
        ("multiplayer", "true"),
        ("search", _term(random)),
    ]
    query |= dict(random.sample(filters, random.randint(1, 4)))
    query["page"] = random.choice((1, 1, 1, 2, 3, 10, 50))
    return f"/api/games?{urlencode(query)}"


def _search(random: Random) -> str:
    return f"/api/games/search?{urlencode({'q': _term(random)})}"


def _autocomplete(random: Random) -> str:
    term = _term(random)
    return f"/api/games/autocomplete?{urlencode({'q': term[: random.randint(2, 12)]})}"


def _term(random: Random) -> str:
    if random.random() < 0.15:
        return random.choice(_COMMON)
    words = [random.choice(_ADJECTIVES), random.choice(_NOUNS), str(random.randint(1, 99_999))]
    return " ".join(random.sample(words, random.randint(1, 2)))
