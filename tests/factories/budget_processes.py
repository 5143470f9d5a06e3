"""Processes that share one budget."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec

from tests.factories.budget_caller import CallerOptions


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition is true, for at most ten seconds."""
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("The condition was not true within ten seconds.")


async def call_from_processes(
    number: int,
    *,
    database_url: str,
    supplier_url: str,
    seconds: float,
    tasks: int,
    budget: dict[str, float],
) -> list[Counter[str]]:
    """Run the processes to their end, and return the outcomes of each."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.factories.budget_caller",
            msgspec.json.encode(
                CallerOptions(
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
    # The lines before the last one are the log.
    return [Counter(json.loads(output.splitlines()[-1])) for output, _ in outputs]


def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
