"""Work that runs beside a block, and is restarted when it fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

_RETRY_DELAY: Final = 1.0  # seconds

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def in_background(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the work beside the block, and stop it at the block's end."""
    task = asyncio.create_task(_run_and_restart(work))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _run_and_restart(work: Callable[[], Awaitable[None]]) -> None:
    """Restart the work even after an unexpected error: without it the cache stays unused for ever."""
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001 - logged, whatever it is
            _log.exception("cache.background_failed")
        await asyncio.sleep(_RETRY_DELAY)
