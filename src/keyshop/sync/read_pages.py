"""Read the pages of the supplier's list in parallel, with a bounded number in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import perf_counter

import structlog

from keyshop.supplier.errors import SupplierError
from keyshop.supplier.models import ProductPage
from keyshop.supplier.protocol import Supplier
from keyshop.sync.models import LostPage
from keyshop.sync.rules import count_pages

PageResult = ProductPage | LostPage

_log = structlog.get_logger(__name__)


async def read_pages(
    supplier: Supplier, *, last_page: int, max_parallel: int
) -> AsyncGenerator[PageResult, None]:
    """
    Yield every page of the list in the order of the page numbers; some may be lost.

    The largest `total` so far decides how many pages there are: a growing list is read to its end,
    and a single wrong answer cannot cut it short. Requests in progress are cancelled when the
    caller stops early.
    """
    first = await _read_page(supplier, 1)
    yield first
    if isinstance(first, LostPage):
        return
    remaining = _read_remaining(supplier, first.total, last_page, max_parallel)
    async with aclosing(remaining) as results:
        async for result in results:
            yield result


async def _read_remaining(
    supplier: Supplier, total: int, last_page: int, max_parallel: int
) -> AsyncGenerator[PageResult, None]:
    requests: list[asyncio.Task[PageResult]] = []
    number = 2
    try:
        while True:
            while number <= min(count_pages(total), last_page) and len(requests) < max_parallel:
                requests.append(asyncio.create_task(_read_page(supplier, number)))
                number += 1
            if not requests:
                return
            result = await requests.pop(0)
            if isinstance(result, ProductPage):
                total = max(total, result.total)
            yield result
    finally:
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)


async def _read_page(supplier: Supplier, number: int) -> PageResult:
    started = perf_counter()
    try:
        page = await supplier.list_products(number)
    except SupplierError as error:
        _log.warning(
            "sync.page_lost", page=number, reason=str(error), seconds=_seconds_since(started)
        )
        return LostPage(number, str(error))
    _log.info(
        "sync.page_read",
        page=number,
        products=len(page.products),
        rejected=len(page.rejected),
        seconds=_seconds_since(started),
    )
    return page


def _seconds_since(started: float) -> float:
    return round(perf_counter() - started, 4)
