"""How soon the API shows a change that was made with plain SQL."""

import asyncio
import time
from http.client import HTTPConnection
from typing import Final

import asyncpg

from bench.cache.stage import Stage
from bench.report import Goal, percentile

_SET_PRICE: Final = "UPDATE games SET price = $2::text::numeric WHERE id = $1"
_TIMEOUT: Final = 5.0  # seconds
_MAX: Final = 300.0  # ms
_RETRY_DELAY: Final = 0.001  # seconds
_WARM: Final = 2  # reads: the first fills, the second is a hit


async def time_foreign_writes(stage: Stage, target: str) -> None:
    """Change one game's price many times, and request it until the API shows each price."""
    report, number = stage.machine.report, 30 if stage.machine.quick else 120
    game_id = target.rpartition("/")[2]
    before = stage.count_reads().get("hit", 0)
    connection = await asyncpg.connect(stage.database_url, ssl=False)
    visitor = HTTPConnection("127.0.0.1", stage.port, timeout=_TIMEOUT)
    times = []
    try:
        for place in range(number):
            for _ in range(_WARM):
                await asyncio.to_thread(_ask, visitor, target)
            # At another point of the relay's interval each time.
            await asyncio.sleep(place * 0.007 % 0.1)
            price = f"{100 + place}.{place % 89 + 10}"
            await connection.execute(_SET_PRICE, game_id, price)
            shown = f'"price":{price.rstrip("0")}'.encode()
            times.append(await asyncio.to_thread(_until_shown, visitor, target, shown) * 1000)
    finally:
        visitor.close()
        await connection.close()
    hits = stage.count_reads().get("hit", 0) - before
    report.title(f"cache, foreign writes: {number} plain UPDATEs by another connection, ms")
    report.line("", "p50", "p95", "p99", "max")
    shares = (0.5, 0.95, 0.99)
    report.line("until the API shows it", *(percentile(times, s) for s in shares), max(times))
    report.line("reads meanwhile that came out of Redis", hits)
    late = sum(spent <= _MAX for spent in times) / number
    report.goals(Goal(text="  shown within 300 ms, share", value=late, least=1))


def _until_shown(visitor: HTTPConnection, target: str, shown: bytes) -> float:
    begun = time.perf_counter()
    while shown not in _ask(visitor, target):
        if time.perf_counter() - begun > _TIMEOUT:
            raise TimeoutError(f"The API never showed {shown!r}.")
        time.sleep(_RETRY_DELAY)
    return time.perf_counter() - begun


def _ask(visitor: HTTPConnection, target: str) -> bytes:
    visitor.request("GET", target)
    return visitor.getresponse().read()
