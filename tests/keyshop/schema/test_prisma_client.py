"""Prisma's real client writes to an attached database, and each side sees what the other wrote."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bcrypt
import pytest
import pytest_asyncio
from msgspec import Struct
from redis import Redis

from keyshop.schema.attach import attach
from keyshop.schema.describe import describe_public, read_prisma_schema
from tests.factories.browsers import PASSWORD, Person, new_email, open_browser
from tests.factories.cached_shop import until
from tests.factories.observed_api import ObservedApi, open_observed_api
from tests.factories.prisma_client import PrismaClient, PrismaError, open_prisma, run_prisma
from tests.keyshop.schema.prisma_database import as_role, login
from tests.servers import Postgres, connected, copied_database

RELEASED = "2024-02-29T23:59:59.987Z"


class SideBySide(Struct):
    """The shop, one of its customers, and Prisma's client of the same database."""

    api: ObservedApi
    customer: Person
    prisma: PrismaClient

    async def until_shown(self, path: str, is_right: Any) -> Any:
        """Repeat a request until its data is right, and return the data."""
        shown: Any = None

        async def shows() -> bool:
            nonlocal shown
            shown = await self.customer.get(path)
            return bool(is_right(shown))

        await until(shows)
        return shown

    async def until_cached(self, path: str) -> None:
        """Repeat a request until its answer comes from Redis."""

        async def is_cached() -> bool:
            before = self.api.db.reads
            await self.customer.get(path)
            return self.api.db.reads == before

        await until(is_cached)


@pytest.fixture
def redis_url(valkey_url: str, worker_id: str) -> str:
    """The URL of an empty Redis database."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = f"{valkey_url.removesuffix('/0')}/{1 + number % 15}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest_asyncio.fixture(scope="session")
async def attached_template(postgres_server: Postgres, prisma_template: str) -> AsyncIterator[str]:
    """The name of a database that Prisma made and keyshop was attached to."""
    async with copied_database(postgres_server, prisma_template) as url:
        await asyncio.to_thread(attach, url, lambda _: None)
        yield url.rpartition("/")[2]


@pytest_asyncio.fixture
async def beside(
    postgres_server: Postgres, attached_template: str, prisma_role: str, redis_url: str
) -> AsyncIterator[SideBySide]:
    """Both applications; Prisma's has no privileges in schema keyshop."""
    async with AsyncExitStack() as parts:
        url = await parts.enter_async_context(copied_database(postgres_server, attached_template))
        admin = await parts.enter_async_context(connected(url))
        role = await parts.enter_async_context(login(admin))
        await admin.execute(f'GRANT "{prisma_role}" TO {role}')
        client = await parts.enter_async_context(open_prisma(as_role(url, role)))
        api = await parts.enter_async_context(open_observed_api(url, redis_url))
        customer = await parts.enter_async_context(open_browser(api.app))
        await customer.register()
        yield SideBySide(api, customer, client)


async def _add_game(prisma: PrismaClient, title: str, **more: Any) -> Any:
    given = {
        "title": title,
        "slug": title.lower().replace(" ", "-"),
        "description": "Words",
        "price": "59.99",
        "image": "",
        "releaseDate": RELEASED,
    }
    return await prisma.call("game.create", data=given | more, include={"genres": True})


class TestWritesOfPrisma:
    async def test_to_games_are_shown_at_once(self, beside: SideBySide) -> None:
        prisma, shows = beside.prisma, beside.until_shown
        game = await _add_game(prisma, "Iron Harvest", genres={"create": [{"genreId": "a"}]})
        path = f"/api/games/{game['id']}"
        pages = [path, "/api/games/slug/iron-harvest", "/api/games/search?q=iron+harvest"]
        assert game["genres"] == [{"gameId": game["id"], "genreId": "a"}]

        shown = await shows(path, lambda game: game["genres"] == ["Action"])
        assert (shown["price"], shown["releaseDate"]) == (59.99, RELEASED)

        # Each page shows the new price, although Redis keeps the old one.
        for page in pages[:2]:
            await beside.until_cached(page)
        await prisma.call("game.update", where={"id": game["id"]}, data={"price": "0.01"})
        for page in pages:
            await shows(page, lambda shown: "0.01" in str(shown) and "59.99" not in str(shown))

        # Several games at once, and a name that all of them show.
        await beside.until_cached(path)
        await prisma.call(
            "game.updateMany", where={"price": {"lt": "5"}}, data={"price": {"increment": "0.5"}}
        )
        await shows(path, lambda game: game["price"] == 0.51)
        await prisma.call("genre.update", where={"id": "a"}, data={"name": "Adventure"})
        await shows(path, lambda game: game["genres"] == ["Adventure"])

        await beside.until_cached(path)
        await prisma.call("game.delete", where={"id": game["id"]})

        async def is_gone() -> bool:
            return (await beside.customer.request("GET", path)).status_code == 404

        await until(is_gone)

    async def test_are_shown_together_or_not_at_all(self, beside: SideBySide) -> None:
        prisma, path = beside.prisma, "/api/games/g1"
        await beside.until_cached(path)
        both: list[tuple[str, Any]] = [
            ("game.update", {"where": {"id": "g1"}, "data": {"price": "70"}}),
            ("game.update", {"where": {"id": "g2"}, "data": {"price": "71"}}),
        ]

        with pytest.raises(PrismaError, match="changed my mind"):
            await prisma.together(*both, ("fail", "changed my mind"))
        assert (await beside.customer.get(path))["price"] == 1

        await prisma.together(*both)
        await beside.until_shown(path, lambda game: game["price"] == 70)
        await beside.until_shown("/api/games/g2", lambda game: game["price"] == 71)

    async def test_to_a_cart_and_a_wishlist_are_shown_at_once(self, beside: SideBySide) -> None:
        prisma, user = beside.prisma, beside.customer.id
        line = {"userId_gameId": {"userId": user, "gameId": "g3"}}
        await beside.until_cached("/api/cart")
        for quantity in (1, 4):
            await prisma.call(
                "cartItem.upsert",
                where=line,
                create={"userId": user, "gameId": "g3", "quantity": quantity},
                update={"quantity": quantity},
            )
            await beside.until_shown(
                "/api/cart",
                lambda cart, quantity=quantity: (
                    [(line["gameId"], line["quantity"]) for line in cart["items"]]
                    == [("g3", quantity)]
                ),
            )
            await beside.until_cached("/api/cart")
        await prisma.call("cartItem.delete", where=line)
        await beside.until_shown("/api/cart", lambda cart: cart["items"] == [])

        await beside.until_cached("/api/wishlist")
        await prisma.call(
            "user.update",
            where={"id": user},
            data={"wishlist": {"create": [{"gameId": "g3"}, {"gameId": "g4"}]}},
        )
        await beside.until_shown("/api/wishlist", lambda shown: len(shown["items"]) == 2)

    async def test_to_an_account_decide_who_may_do_what(self, beside: SideBySide) -> None:
        prisma, email = beside.prisma, new_email()
        password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        given = {"email": email, "passwordHash": password, "balance": "12345678.99"}
        user = await prisma.call("user.create", data=given)
        with pytest.raises(PrismaError) as refused:
            await prisma.call("user.create", data=given)
        assert refused.value.code == "P2002"

        async with open_browser(beside.api.app) as person:
            await person.sign_in(email)
            profile = await person.get("/api/user/profile")
            assert (profile["nickname"], profile["balance"]) == ("Newbie Guy", 12345678.99)
            assert profile["createdAt"] == user["createdAt"]

            async def is_refused() -> bool:
                return (await person.request("GET", "/api/auth/me")).status_code == 401

            # Another role ends the session, and so does another password.
            for change in ({"role": "ADMIN"}, {"passwordHash": password + "."}):
                await prisma.call("user.update", where={"id": user["id"]}, data=change)
                await until(is_refused)
                await prisma.call(
                    "user.update", where={"id": user["id"]}, data={"passwordHash": password}
                )
                await person.sign_in(email)
            assert (await person.get("/api/auth/me"))["role"] == "ADMIN"

            await prisma.call("user.delete", where={"id": user["id"]})
            await until(is_refused)

    async def test_to_orders_count_in_the_profile(self, beside: SideBySide) -> None:
        prisma, user = beside.prisma, beside.customer.id
        await beside.until_cached("/api/user/profile")
        order = await prisma.call(
            "order.create",
            data={
                "user": {"connect": {"id": user}},
                "status": "PROCESSING",
                "paymentStatus": "PENDING",
                "subtotal": "10.50",
                "discount": "0.25",
                "total": "10.25",
                "items": {"create": [{"gameId": "g5", "quantity": 2, "price": "5.25"}]},
                "keys": {"create": [{"gameId": "g5", "key": "AAAA-BBBB"}]},
                "transaction": {
                    "create": {
                        "userId": user,
                        "type": "PURCHASE",
                        "amount": "-10.25",
                        "status": "PENDING",
                        "gatewayResponse": {"id": 7, "steps": ["asked"]},
                    }
                },
            },
            include={"items": True, "transaction": True},
        )
        assert order["items"][0]["price"] == "5.25"
        assert order["transaction"]["gatewayResponse"] == {"id": 7, "steps": ["asked"]}

        await prisma.call(
            "order.update",
            where={"id": order["id"]},
            data={"status": "COMPLETED", "completedAt": RELEASED},
        )
        await beside.until_shown(
            "/api/user/profile",
            lambda profile: (
                (profile["stats"]["gamesPurchased"], profile["stats"]["totalSaved"]) == (2, 0.25)
            ),
        )

    async def test_to_sessions_end_the_baskets_of_guests(self, beside: SideBySide) -> None:
        prisma = beside.prisma
        for change in ("update", "delete"):
            async with open_browser(beside.api.app) as guest:
                await guest.put("g6", quantity=3)
                where = {"sessionId": guest.session}
                session = await prisma.call("session.findUnique", where=where)
                assert session["expiresAt"].endswith("Z")
                more = {"data": {"expiresAt": RELEASED}} if change == "update" else {}
                await prisma.call(f"session.{change}", where=where, **more)

                async def is_empty(guest: Person = guest) -> bool:
                    return await guest.cart() == {}

                await until(is_empty)


class TestWritesOfTheShop:
    async def test_are_read_by_prisma(self, beside: SideBySide) -> None:
        prisma, customer = beside.prisma, beside.customer
        await customer.put("g7", quantity=2)
        await customer.wish("g8")
        await customer.do("PUT", "/api/user/profile", {"nickname": "Zoë 🗝"})

        user = await prisma.call(
            "user.findUnique",
            where={"email": customer.email},
            include={"cart": {"include": {"game": True}}, "wishlist": True},
        )

        assert (user["nickname"], user["role"], user["balance"]) == ("Zoë 🗝", "USER", "0")
        assert user["createdAt"] == (await customer.get("/api/user/profile"))["createdAt"]
        assert [(line["quantity"], line["game"]["price"]) for line in user["cart"]] == [(2, "7")]
        assert [wish["gameId"] for wish in user["wishlist"]] == ["g8"]

    async def test_keep_amounts_and_times_exactly(self, beside: SideBySide) -> None:
        at = datetime(2024, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
        await beside.api.change(
            'UPDATE games SET price = $1, "userRating" = $2, "g2aLastSync" = $3 WHERE id = $4',
            Decimal("99999999.99"), Decimal("4.07"), at, "g9",
        )  # fmt: skip

        game = await beside.prisma.call("game.findUnique", where={"id": "g9"})

        assert (game["price"], game["userRating"]) == ("99999999.99", "4.07")
        assert game["g2aLastSync"] == "2024-12-31T23:59:59.999Z"
        found = await beside.prisma.call("game.findMany", where={"g2aLastSync": at.isoformat()})
        assert [each["id"] for each in found] == ["g9"]


class TestTables:
    async def test_are_those_that_prisma_makes(self, postgres_server: Postgres) -> None:
        async with (
            copied_database(postgres_server, "template0") as url,
            connected(url) as connection,
        ):
            made = await run_prisma(
                url, "migrate", "diff", "--from-empty", "--to-schema-datamodel", "schema.prisma",
                "--script",
            )  # fmt: skip
            await connection.execute(made)
            async with connection.transaction():
                assert await describe_public(connection) == read_prisma_schema()
