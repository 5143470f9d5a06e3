"""Read the supplier's list in batches, one batch ahead of the caller."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from keyshop.supplier.protocol import Supplier
from keyshop.sync.batch import Batch
from keyshop.sync.models import LostPage
from keyshop.sync.read_pages import PageResult, read_pages
from keyshop.sync.rules import MAX_CONSECUTIVE_LOST_PAGES, RunKind, SyncPolicy


async def read_batches(
    supplier: Supplier, *, kind: RunKind, policy: SyncPolicy
) -> AsyncGenerator[Batch, None]:
    """
    Yield the list in batches, and read the next batch while the caller writes this one.

    Nothing beyond that next batch is read. The last batch may hold few products, or none.
    """
    pages = stop_after_lost_pages(
        read_pages(supplier, last_page=policy.last_page, max_parallel=policy.max_parallel_pages)
    )
    async with aclosing(_group(pages, kind, policy)) as batches:
        reading = asyncio.create_task(_read_next(batches))
        try:
            while (batch := await reading) is not None:
                reading = asyncio.create_task(_read_next(batches))
                yield batch
                raise_if_cancelled()
        finally:
            # A generator that is being read cannot be closed.
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _read_next(batches: AsyncGenerator[Batch, None]) -> Batch | None:
    return await anext(batches, None)


async def _group(
    results: AsyncGenerator[PageResult, None], kind: RunKind, policy: SyncPolicy
) -> AsyncGenerator[Batch, None]:
    batch = Batch(kind, policy)
    async with aclosing(results):
        async for result in results:
            batch.add(result)
            if batch.is_full:
                yield batch
                batch = Batch(kind, policy)
    yield batch


async def stop_after_lost_pages(
    results: AsyncGenerator[PageResult, None],
) -> AsyncGenerator[PageResult, None]:
    """Yield the pages until so many in a row are lost that the supplier must be unreachable."""
    lost_in_a_row = 0
    async with aclosing(results):
        async for result in results:
            raise_if_cancelled()
            lost_in_a_row = lost_in_a_row + 1 if isinstance(result, LostPage) else 0
            yield result
            if lost_in_a_row >= MAX_CONSECUTIVE_LOST_PAGES:
                return


def raise_if_cancelled() -> None:
    """Raise CancelledError when the task was cancelled, even if a library swallowed it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
