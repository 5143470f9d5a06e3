"""A buyer at the simulated marketplace, over plain HTTP like any client."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2

from g2a_simulator.market import Market
from g2a_simulator.server import serve

AUTHORIZATION = "qdaiciDiyMaTjxMt, 74026b3dc2c6db6a30a73e71cdb138b1e1b5eb7a97ced46689e2d28db1050875"
FIRST = "10000000001001"
SECOND = "10000000002001"
# Created once: reading the certificates takes longer than a test. Nothing here is encrypted.
CERTIFICATES = ssl.create_default_context()


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Buyer:
    """The five calls of the API, each with its required values."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def products(self, **query: str | float) -> httpx2.Response:
        return await self.http.get("/v1/products", params=query)

    async def order(self, product_id: str = FIRST, **body: object) -> httpx2.Response:
        return await self.http.post("/v1/order", json={"product_id": product_id, **body})

    async def pay(self, order_id: str) -> httpx2.Response:
        return await self.http.put(f"/v1/order/pay/{order_id}")

    async def details(self, order_id: str) -> httpx2.Response:
        return await self.http.get(f"/v1/order/details/{order_id}")

    async def key(self, order_id: str) -> httpx2.Response:
        return await self.http.get(f"/v1/order/key/{order_id}")

    async def paid_order(self) -> str:
        order_id: str = (await self.order()).json()["order_id"]
        assert (await self.pay(order_id)).status_code == 200
        return order_id


@asynccontextmanager
async def buying_from(market: Market, *, timeout: float = 5.0) -> AsyncIterator[Buyer]:
    headers = {"Authorization": AUTHORIZATION}
    async with (
        serve(market) as url,
        httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx2.Timeout(10, read=timeout),
            verify=CERTIFICATES,
        ) as http,
    ):
        yield Buyer(http)


def code_of(response: httpx2.Response) -> tuple[int, str]:
    """Return the status and the supplier's code of a refusal."""
    body = response.json()
    assert body["status"] == "ERROR"
    assert body["message"]
    return response.status_code, body["code"]
