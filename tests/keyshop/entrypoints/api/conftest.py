"""The API over a stocked shop, called over HTTP without a network."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx2
import pytest_asyncio
from litestar import get, post
from litestar.params import Body
from litestar.types import ASGIApp
from msgspec import Struct

from keyshop.embedded.postgres import PostgresServer
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_administrator
from keyshop.entrypoints.http.requests import ApiRequest, read_body
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, open_browser
from tests.factories.catalogue import stock_catalogue
from tests.factories.games import make_game
from tests.servers import copied_database

ORIGIN = "https://shop.example"


class Wish(Struct, forbid_unknown_fields=True):
    """The request body of a test's endpoint."""

    title: str
    copies: int


@post("/tests/wishes", status_code=200, include_in_schema=False)
async def wish(request: ApiRequest) -> dict[str, int]:
    """Return the decoded body."""
    return {"copies": (await read_body(request, Wish)).copies}


@post("/tests/framework", status_code=200, include_in_schema=False)
async def framework(data: Annotated[dict[str, int], Body()]) -> int:
    """Let the framework read the body."""
    return len(data)


@post("/tests/faults", include_in_schema=False)
async def fault() -> None:
    """Fail with an unexpected error."""
    raise RuntimeError("secret-of-the-house")


@get("/tests/office", include_in_schema=False)
async def office(request: ApiRequest) -> dict[str, str]:
    """Allow operators only."""
    shop = shop_of(request.scope)
    return {"operator": (await get_administrator(request, shop, now=utc_now())).user_id}


@pytest_asyncio.fixture(scope="session")
async def stocked(
    postgres_server: PostgresServer, template_database: str
) -> AsyncIterator[Database]:
    """The catalogue of thirty, and one game whose slug is part of the API's paths."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        await stock_catalogue(database)
        await make_game(database, title="Similar", slug="similar", publisher="A, B & Co., Ltd")
        yield database
        await database.close()


@pytest_asyncio.fixture(scope="session")
async def app(stocked: Database) -> ASGIApp:
    """The API of the stocked shop."""
    return make_app(
        stocked, allowed_origins=[ORIGIN], extra_routes=[wish, framework, fault, office]
    )


@pytest_asyncio.fixture(scope="session")
async def client(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API."""
    async with client_of(app) as client:
        yield client


@pytest_asyncio.fixture
async def alice(app: ASGIApp) -> AsyncIterator[Person]:
    """A customer who has just registered."""
    async with open_browser(app) as person:
        await person.register()
        yield person


@pytest_asyncio.fixture
async def bob(app: ASGIApp) -> AsyncIterator[Person]:
    """Another customer, who must never see Alice's data."""
    async with open_browser(app) as person:
        await person.register(nickname="Bob")
        yield person


@pytest_asyncio.fixture
async def guest(app: ASGIApp) -> AsyncIterator[Person]:
    """A visitor without an account."""
    async with open_browser(app) as person:
        yield person


@pytest_asyncio.fixture(scope="session")
async def games(client: httpx2.AsyncClient) -> list[str]:
    """The ids of games in stock, always in the same order."""
    page = await client.get("/api/games?inStockOnly=true&sort=price-asc&pageSize=10")
    return [game["id"] for game in page.json()["data"]["data"]]


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    """Return a client of the API."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),  # type: ignore[arg-type] # both name ASGI anew
        base_url="http://shop.test",
    )
