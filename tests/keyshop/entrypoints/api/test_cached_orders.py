"""Orders beside the cache: never stale, without keys in it, and placed while it is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
import pytest_asyncio
from redis import Redis

from keyshop.embedded.valkey import ValkeyServer
from keyshop.kit.database.pool import Database
from tests.factories.browsers import Person
from tests.factories.cached_shop import until
from tests.factories.observed_api import ObservedApi, open_observed_api
from tests.factories.orders import make_buyer, placed, stock_game, violations
from tests.servers import open_home


@pytest.fixture
def redis_url(valkey_url: str, worker_id: str) -> str:
    """The URL of an empty Redis database, which no other test uses."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = f"{valkey_url.removesuffix('/0')}/{1 + number % 15}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest_asyncio.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[ObservedApi]:
    """A shop with a cache."""
    async with open_observed_api(database_url, redis_url) as api:
        yield api


@pytest_asyncio.fixture
async def alice(api: ObservedApi) -> Person:
    """A customer with 100.00 EUR."""
    return await make_buyer(api.db, api.visitor, "100.00")


async def until_cached(api: ObservedApi, person: Person, *paths: str) -> None:
    """Request each path until the answer comes from Redis."""
    for path in paths:

        async def is_cached(path: str = path) -> bool:
            before = api.db.reads
            await person.get(path)
            return api.db.reads == before

        await until(is_cached)


class TestCachedOrders:
    async def test_show_each_change_at_once(self, api: ObservedApi, alice: Person):
        game = await stock_game(api.db, 3, title="Old Name")
        paths = ("/api/orders", "/api/cart", "/api/user/profile", "/api/user/balance")
        await alice.put(game, quantity=2)
        assert await alice.get("/api/orders") == []
        await until_cached(api, alice, *paths)

        order = await placed(alice, {game: 2})

        [listed] = await alice.get("/api/orders")
        assert (listed["id"], listed["status"]) == (order["id"], "COMPLETED")
        assert await alice.cart() == {}
        assert (await alice.get("/api/user/profile"))["stats"]["gamesPurchased"] == 2
        assert (await alice.get("/api/user/balance"))["balance"] == 80
        await until_cached(api, alice, *paths)

        await api.change("UPDATE games SET title = 'New Name' WHERE id = $1", game)
        [renamed] = await alice.get("/api/orders")
        assert renamed["items"][0]["game"]["title"] == "New Name"

        await until_cached(api, alice, *paths)
        unit = "SELECT id FROM keyshop.order_units WHERE order_id = $1 ORDER BY id LIMIT 1"
        await api.change(
            f"UPDATE keyshop.order_units SET state = 'REFUNDED' WHERE id = ({unit})", order["id"]
        )
        [refunded] = await alice.get("/api/orders")
        assert refunded["items"][0]["refunded"] == 1
        shown = await alice.get(f"/api/orders/{order['id']}")
        assert shown["items"][0]["refunded"] == 1
        assert (await alice.get("/api/user/profile"))["stats"]["gamesPurchased"] == 1
        assert (await alice.get("/api/user/stats"))["totalGames"] == 1

    async def test_hold_no_key(self, api: ObservedApi, alice: Person):
        game = await stock_game(api.db, 2)

        order = await placed(alice, {game: 2}, key="cached")
        again = await placed(alice, {game: 2}, key="cached")
        shown = await alice.get(f"/api/orders/{order['id']}")
        await until_cached(api, alice, "/api/orders")

        texts = [key["key"] for key in order["keys"]]
        assert all(text.startswith(f"{game}-") for text in texts)
        assert again == shown == order
        names = sorted(await api.keys())
        kept = repr([await api.redis.get(name) for name in names])
        assert f"order:{order['id']}" in " ".join(names)
        assert order["id"] in kept
        assert not [text for text in texts if text in kept]

    async def test_of_one_customer_are_never_anothers(self, api: ObservedApi, alice: Person):
        bob = await make_buyer(api.db, api.visitor, "5.00")
        game = await stock_game(api.db, 1)
        order = await placed(alice, {game: 1})
        path = f"/api/orders/{order['id']}"
        await alice.get(path)

        for _ in range(3):
            assert (await bob.request("GET", path)).status_code == 404
            assert await bob.get("/api/orders") == []


class TestOrderWithoutRedis:
    async def test_is_completed_with_its_keys_while_redis_is_stopped(
        self, database_url: str, db: Database
    ):
        game = await stock_game(db, 5)
        with open_home() as folder, ExitStack() as servers:
            redis_url = servers.enter_context(ValkeyServer(folder / "home")).url
            async with open_observed_api(database_url, redis_url) as api:
                alice = await make_buyer(api.db, api.visitor, "100.00")
                before = await placed(alice, {game: 1}, key="before")
                await until_cached(api, alice, "/api/orders")
                servers.close()
                orders = await asyncio.gather(
                    *(placed(alice, {game: 1}, key=f"after-{number}") for number in range(3))
                )
                listed = await alice.get("/api/orders")

        assert [order["status"] for order in (before, *orders)] == ["COMPLETED"] * 4
        assert len({order["keys"][0]["key"] for order in (before, *orders)}) == 4
        assert len(listed) == 4
        assert await violations(db) == []
