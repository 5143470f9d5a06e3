"""Workers, in this process and in others."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio

from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.run import run_worker
from keyshop.kit.database.pool import Database
from tests.factories.jobs import HANDLERS, ProbeShop, make_job_log

Working: TypeAlias = Callable[..., AbstractAsyncContextManager[asyncio.Event]]
StartWorker: TypeAlias = Callable[..., Awaitable[asyncio.subprocess.Process]]

_CHECKOUT = Path(__file__).parents[4]


async def until(holds: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Wait for the condition, and fail when it does not become true in time."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def shop(db: Database, database_url: str) -> ProbeShop:
    await make_job_log(db)
    return ProbeShop(db, database_url)


@pytest.fixture
def working(shop: ProbeShop) -> Working:
    """Run a worker in this process during the block."""

    @asynccontextmanager
    async def working(
        limits: WorkerLimits = DEFAULT_LIMITS, handlers: Sequence[Handler] = HANDLERS
    ) -> AsyncIterator[asyncio.Event]:
        stop = asyncio.Event()
        worker = asyncio.create_task(
            run_worker(shop, handlers=handlers, schedules=(), limits=limits, stop=stop)
        )
        try:
            yield stop
        finally:
            stop.set()
            await worker

    return working


@pytest_asyncio.fixture
async def start_worker(database_url: str) -> AsyncIterator[StartWorker]:
    """Start workers as processes, none of which outlives the test."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*options: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.keyshop.entrypoints.worker.worker_process",
            database_url,
            *options,
            cwd=_CHECKOUT,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
