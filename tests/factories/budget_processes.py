"""Real processes that share one budget."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec

from tests.keyshop.gateways.g2a.budget_caller import Orders


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds, ten seconds at most."""
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not happen within ten seconds.")


async def call_from_processes(
    number: int,
    *,
    database_url: str,
    supplier_url: str,
    seconds: float,
    tasks: int,
    budget: dict[str, float],
) -> list[Counter[str]]:
    """Start the processes, wait for their end, and return what each was told how often."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.keyshop.gateways.g2a.budget_caller",
            msgspec.json.encode(
                Orders(
                    database_url=database_url,
                    supplier_url=supplier_url,
                    page=page,
                    seconds=seconds,
                    tasks=tasks,
                    budget=budget,
                )
            ).decode(),
            stdout=asyncio.subprocess.PIPE,
        )
        for page in range(1, number + 1)
    ]
    async with AsyncExitStack() as stack:
        for process in processes:
            stack.callback(_stop, process)
        outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0] * number
    # The log stands before the last line.
    return [Counter(json.loads(told.splitlines()[-1])) for told, _ in outputs]


def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
