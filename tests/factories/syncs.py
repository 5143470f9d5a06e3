"""Run a sync in one call, and read what it wrote."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import httpx2
from asyncpg import Record

from g2a_simulator.market import Market
from keyshop.gateways.g2a.client import G2AClient, Retries
from keyshop.gateways.g2a.credentials import G2ACredentials
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.secrets import Secret
from keyshop.supplier.models import EVERYTHING, ProductFilter, ProductPage
from keyshop.supplier.protocol import Supplier
from keyshop.sync import quarantine_queries, queries
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, SyncPolicy
from keyshop.sync.run import Report, run_sync

# G2A publishes these credentials for its sandbox.
SANDBOX: Final = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)

TWO_ATTEMPTS: Final = Retries(
    attempts=2, timeout=5, initial_wait=0.001, max_wait=0.002, jitter=0.001
)

_LINKS: Final = {
    "genres": ("game_genres", "genreId"),
    "platforms": ("game_platforms", "platformId"),
    "tags": ("game_tags", "tagId"),
    "categories": ("game_categories", "categoryId"),
}


class PausingClient(G2AClient):
    """A client that pauses before a page, so that a test can act meanwhile, and counts its calls."""

    pause_at = 0  # no page has this number

    def __init__(self, exchange: Exchange, *, retries: Retries) -> None:
        super().__init__(exchange, retries=retries)
        self.paused = asyncio.Event()
        self.resume = asyncio.Event()
        self.calls = 0
        self.parallel = 0
        self.max_parallel = 0

    async def list_products(self, page: int, *, only: ProductFilter = EVERYTHING) -> ProductPage:
        self.calls += 1
        self.parallel += 1
        self.max_parallel = max(self.max_parallel, self.parallel)
        try:
            if page == self.pause_at:
                self.paused.set()
                await self.resume.wait()
            return await super().list_products(page, only=only)
        finally:
            self.parallel -= 1


class TimeoutTransport(httpx2.AsyncHTTPTransport):
    """Real HTTP with a shorter timeout than the shop's."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["timeout"] = dict.fromkeys(
            ("connect", "read", "write", "pool"), self._seconds
        )
        return await super().handle_async_request(request)


@asynccontextmanager
async def open_client(
    url: str, *, timeout: float = 10, pause_at: int = 0
) -> AsyncIterator[PausingClient]:
    """Yield a client that makes two attempts, waits `timeout` seconds, and pauses at a page."""
    async with httpx2.AsyncClient(transport=TimeoutTransport(timeout)) as http:
        exchange = Exchange(http, base_url=url, credentials=SANDBOX, budget=None)
        client = PausingClient(exchange, retries=TWO_ATTEMPTS)
        client.pause_at = pause_at
        yield client


async def sync(
    db: Database,
    supplier: Supplier,
    kind: RunKind = RunKind.FULL,
    *,
    report: Report | None = None,
    **policy: Any,
) -> Run:
    """Run a full sync, or a stock check."""
    return await run_sync(
        db, supplier, kind, policy=SyncPolicy(**policy), clock=utc_now, report=report
    )


async def check_stock(db: Database, supplier: Supplier, **policy: Any) -> Run:
    """Run a stock check."""
    return await sync(db, supplier, RunKind.STOCK, **policy)


async def read_games(db: Database) -> dict[str, Record]:
    """Return the rows of all games of the supplier, by product id."""
    async with db.read() as reader:
        records = await reader.fetch('SELECT * FROM games WHERE "g2aProductId" IS NOT NULL')
    return {record["g2aProductId"]: record for record in records}


async def read_game(db: Database, product_id: str) -> Record:
    """Return the row of the game of a product."""
    return (await read_games(db))[product_id]


async def read_links(db: Database, kind: str, product_id: str) -> set[str]:
    """Return the names of one kind that the product's game is linked to."""
    table, column = _LINKS[kind]
    async with db.read() as reader:
        records = await reader.fetch(
            f"""SELECT n.name FROM {table} AS l JOIN {kind} AS n ON n.id = l."{column}"
                JOIN games AS g ON g.id = l."gameId" WHERE g."g2aProductId" = $1""",
            product_id,
        )
    return {record["name"] for record in records}


async def read_versions(db: Database, table: str) -> dict[str, tuple[str, str]]:
    """Return for each row of a table, as text, its ctid and the transaction that wrote it."""
    async with db.read() as reader:
        records = await reader.fetch(
            f"SELECT t::text AS row, ctid::text AS place, xmin::text AS writer FROM {table} AS t"
        )
    return {record["row"]: (record["place"], record["writer"]) for record in records}


async def count(db: Database, table: str) -> int:
    """Count the rows of a table."""
    async with db.read() as reader:
        return int(await reader.fetchval(f"SELECT count(*) FROM {table}"))


async def change(db: Database, sql: str, *args: object) -> int:
    """Run one statement as an operator or another program would."""
    async with db.transaction() as tx:
        return await tx.execute(sql, *args)


async def list_quarantined(db: Database) -> dict[str, str]:
    """Return the reasons of the entries in quarantine, by product id."""
    async with db.read() as reader:
        entries = await quarantine_queries.list_quarantine(reader, limit=1000)
    return {entry.product_id: entry.reason for entry in entries}


async def list_failed_pages(db: Database, run: Run) -> dict[int | None, str]:
    """Return the errors of a run, by page."""
    async with db.read() as reader:
        errors = await queries.list_errors(reader, run.id, limit=1000)
    return {error.page: error.reason for error in errors}


async def read_run(db: Database, run: Run) -> Run:
    """Return the run as it is stored."""
    async with db.read() as reader:
        found = await queries.find_run(reader, run.id)
    assert found is not None
    return found


def expected_price(market: Market, product_id: str) -> Decimal:
    """Return the price that the shop must show, calculated in whole cents."""
    product = market.product(product_id)
    listed = [product["minPrice"], product["retail_min_price"]]
    highest = max(int(Decimal(str(price)) * 100) for price in listed)
    return Decimal((highest * 102 + 50) // 100) / 100


def is_sold(market: Market, product_id: str) -> bool:
    """Test whether the supplier sells a product now."""
    product = market.product(product_id)
    return product["qty"] > 0 and product["availableToBuy"]


async def wait_until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Wait until the condition is true, and fail after so many seconds."""
    for _ in range(int(seconds * 100)):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"The condition was not true within {seconds} seconds.")
