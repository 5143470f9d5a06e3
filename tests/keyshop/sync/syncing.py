"""Runs of the sync in one call, and what then stands in the database."""

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

# G2A publishes these for its sandbox.
SANDBOX: Final = G2ACredentials(
    client_id="qdaiciDiyMaTjxMt",
    email="sandboxapitest@g2a.com",
    client_secret=Secret(
        "b0d293f6-e1d2-4629-8264-fd63b5af3207b0d293f6-e1d2-4629-8264-fd63b5af3207"
    ),
)

TWICE: Final = Retries(attempts=2, timeout=5, initial_wait=0.001, max_wait=0.002, jitter=0.001)

_LINKS: Final = {
    "genres": ("game_genres", "genreId"),
    "platforms": ("game_platforms", "platformId"),
    "tags": ("game_tags", "tagId"),
    "categories": ("game_categories", "categoryId"),
}


class HeldClient(G2AClient):
    """A client that stops before a page until it is let go, so that a test can act meanwhile."""

    hold_at = 0  # no page has this number

    def __init__(self, exchange: Exchange, *, retries: Retries) -> None:
        super().__init__(exchange, retries=retries)
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.asked = 0
        self.under_way = 0
        self.most_under_way = 0

    async def list_products(self, page: int, *, only: ProductFilter = EVERYTHING) -> ProductPage:
        """Ask for the page, once it may be asked for."""
        self.asked += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if page == self.hold_at:
                self.arrived.set()
                await self.go_on.wait()
            return await super().list_products(page, only=only)
        finally:
            self.under_way -= 1


class Impatient(httpx2.AsyncHTTPTransport):
    """Real HTTP that gives up sooner than a shop would."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["timeout"] = dict.fromkeys(
            ("connect", "read", "write", "pool"), self._seconds
        )
        return await super().handle_async_request(request)


@asynccontextmanager
async def connected(
    url: str, *, timeout: float = 10, hold_at: int = 0
) -> AsyncIterator[HeldClient]:
    """Lend a client that asks twice, waits so many seconds for an answer, and stops at a page."""
    async with httpx2.AsyncClient(transport=Impatient(timeout)) as http:
        exchange = Exchange(http, base_url=url, credentials=SANDBOX, budget=None)
        client = HeldClient(exchange, retries=TWICE)
        client.hold_at = hold_at
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
    """Return the row of the game that stands for a product."""
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
    """Return for each row of a table, as text, the place and the transaction that wrote it."""
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


async def quarantined(db: Database) -> dict[str, str]:
    """Return the reasons of the entries that are not believed, by product id."""
    async with db.read() as reader:
        entries = await quarantine_queries.list_quarantine(reader, limit=1000)
    return {entry.product_id: entry.reason for entry in entries}


async def failed_pages(db: Database, run: Run) -> dict[int | None, str]:
    """Return what went wrong in a run, by page."""
    async with db.read() as reader:
        errors = await queries.list_errors(reader, run.id, limit=1000)
    return {error.page: error.reason for error in errors}


async def stored_run(db: Database, run: Run) -> Run:
    """Return the run as the database has it."""
    async with db.read() as reader:
        found = await queries.find_run(reader, run.id)
    assert found is not None
    return found


def asked_price(market: Market, product_id: str) -> Decimal:
    """Return what the shop has to ask for a product: in whole cents, by school arithmetic."""
    product = market.product(product_id)
    listed = [product["minPrice"], product["retail_min_price"]]
    highest = max(int(Decimal(str(price)) * 100) for price in listed)
    return Decimal((highest * 102 + 50) // 100) / 100


def is_sold(market: Market, product_id: str) -> bool:
    """Test whether the supplier sells a product at present."""
    product = market.product(product_id)
    return product["qty"] > 0 and product["availableToBuy"]


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Wait until the condition holds, and fail when it does not come to hold in time."""
    for _ in range(int(seconds * 100)):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"It did not happen within {seconds} seconds.")
