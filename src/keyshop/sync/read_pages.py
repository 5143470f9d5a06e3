"""Read the supplier's list: several pages under way at once, a bounded number in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import perf_counter

import structlog

from keyshop.supplier.errors import SupplierError
from keyshop.supplier.models import ProductPage
from keyshop.supplier.protocol import Supplier
from keyshop.sync.models import PageLost
from keyshop.sync.rules import pages_of

Answer = ProductPage | PageLost

_log = structlog.get_logger(__name__)


async def read_pages(
    supplier: Supplier, *, last_page: int, at_once: int
) -> AsyncGenerator[Answer, None]:
    """
    Yield every page of the list, or what was lost of it, in the order of their numbers.

    How many there are follows from the largest `total` so far: a list that grows is read to its
    end, and a single wrong answer cannot cut it short.
    The pages under way are dropped when the caller stops early.
    """
    first = await _read(supplier, 1)
    yield first
    if isinstance(first, PageLost):
        return
    async with aclosing(_read_on(supplier, first.total, last_page, at_once)) as answers:
        async for answer in answers:
            yield answer


async def _read_on(
    supplier: Supplier, total: int, last_page: int, at_once: int
) -> AsyncGenerator[Answer, None]:
    under_way: list[asyncio.Task[Answer]] = []
    number = 2
    try:
        while True:
            while number <= min(pages_of(total), last_page) and len(under_way) < at_once:
                under_way.append(asyncio.create_task(_read(supplier, number)))
                number += 1
            if not under_way:
                return
            answer = await under_way.pop(0)
            if isinstance(answer, ProductPage):
                total = max(total, answer.total)
            yield answer
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _read(supplier: Supplier, number: int) -> Answer:
    began = perf_counter()
    try:
        page = await supplier.list_products(number)
    except SupplierError as error:
        _log.warning("sync.page_lost", page=number, reason=str(error), seconds=_since(began))
        return PageLost(number, str(error))
    _log.info(
        "sync.page_read",
        page=number,
        products=len(page.products),
        rejected=len(page.rejected),
        seconds=_since(began),
    )
    return page


def _since(began: float) -> float:
    return round(perf_counter() - began, 4)
