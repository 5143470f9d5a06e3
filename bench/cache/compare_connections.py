"""The cost of one MGET over the shop's own connection and over redis-py."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final

from redis.asyncio import Connection, Redis

from bench.cache.stage import Stage
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.connect import connect

_NAMES: Final = ("bench:value", "bench:generation", "bench:token")  # as in a read
_VALUE: Final = b"x" * 1500  # the size of one game in bytes
_PARALLEL: Final = 50

Ask = Callable[[], Awaitable[object]]


async def compare_connections(stage: Stage) -> None:
    """Print the processor time of this process for one MGET of three keys, in turns."""
    report, number = stage.machine.report, 300 if stage.machine.quick else 1_000
    address = parse_address(stage.redis_url)
    report.title("cache, one MGET of three keys: µs of processor time, medians of 5 runs in turns")
    report.line("", "one at a time", f"{_PARALLEL} at once")
    own = await connect(address, shop="bench")
    async with Redis.from_url(stage.redis_url) as client:
        await client.mset(dict.fromkeys(_NAMES, _VALUE))
        single: Connection = await client.connection_pool.get_connection()
        asks: dict[str, Ask] = {
            "redis-py's client": lambda: client.mget(_NAMES),
            "redis-py's connection alone": lambda: _ask_alone(single),
            "the shop's connection": lambda: own.call("MGET", *_NAMES),
        }
        costs = await _take_turns(asks, number)
        await client.connection_pool.release(single)
    own.close()
    for name, (alone, together) in costs.items():
        report.line(f"{name}, µs", alone, "-" if together is None else together)


async def _take_turns(asks: dict[str, Ask], number: int) -> dict[str, tuple[float, float | None]]:
    alone: dict[str, list[float]] = {name: [] for name in asks}
    together: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(5):
        for name, ask in asks.items():
            alone[name].append(await _cost(ask, number, parallel=1))
            if "alone" not in name:  # it takes one command at a time
                together[name].append(await _cost(ask, number, parallel=_PARALLEL))
    return {
        name: (median(alone[name]), median(together[name]) if together[name] else None)
        for name in asks
    }


async def _cost(ask: Ask, number: int, *, parallel: int) -> float:
    before = time.process_time()
    for _ in range(number // parallel):
        if parallel == 1:
            await ask()
        else:
            await asyncio.gather(*(ask() for _ in range(parallel)))
    return (time.process_time() - before) / (number // parallel * parallel) * 1e6


async def _ask_alone(connection: Connection) -> object:
    await connection.send_command("MGET", *_NAMES)
    return await connection.read_response()
