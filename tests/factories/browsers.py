"""Browsers: each has a cookie jar, an address and perhaps an account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx2
from litestar.types import ASGIApp
from msgspec import Struct

from keyshop.kit.ids import new_id

PASSWORD = "Sesame-Open-1"
_addresses = count(1)


class Person(Struct):
    """A person with a browser."""

    client: httpx2.AsyncClient
    email: str = ""
    id: str = ""
    token: str = ""
    refresh_token: str = ""

    async def request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Send a request as the storefront does: always as JSON, with the token if there is one."""
        more["headers"] = {"Content-Type": "application/json"} | more.get("headers", {})
        if self.token:
            more["headers"] = {"Authorization": f"Bearer {self.token}"} | more.get("headers", {})
        return await self.client.request(method, path, **more)

    async def get(self, path: str, **more: Any) -> Any:
        """Return the data of a read that must succeed."""
        answer = await self.request("GET", path, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True
        return answer.json()["data"]

    async def do(self, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """Return the whole body of a change that must succeed."""
        if json is not None:
            more["json"] = json
        answer = await self.request(method, path, **more)
        assert answer.status_code in {200, 201}, answer.text
        assert answer.json()["success"] is True
        return answer.json()

    async def register(self, *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Register an account and sign in."""
        given = {"email": new_email(), "password": PASSWORD, "nickname": "Alice"} | fields
        return self._remember(
            await self.do("POST", "/api/auth/register", given, headers=headers or {})
        )

    async def sign_in(self, email: str, password: str = PASSWORD, **more: Any) -> Any:
        """Sign in with the browser's cookie."""
        given = {"email": email, "password": password}
        return self._remember(await self.do("POST", "/api/auth/login", given, **more))

    def _remember(self, body: Any) -> Any:
        data = body["data"]
        self.email, self.id = data["user"]["email"], data["user"]["id"]
        self.token, self.refresh_token = data["token"], data["refreshToken"]
        return data

    async def put(self, *games: str, quantity: int = 1) -> None:
        """Put this number of keys of each game into the cart."""
        for game in games:
            await self.do("POST", "/api/cart", {"gameId": game, "quantity": quantity})

    async def wish(self, *games: str) -> None:
        """Put the games on the wishlist."""
        for game in games:
            await self.do("POST", "/api/wishlist", {"gameId": game})

    async def cart(self) -> dict[str, int]:
        """Return the quantities in the cart by game."""
        shown = await self.get("/api/cart")
        return {line["gameId"]: line["quantity"] for line in shown["items"]}

    async def wishlist(self) -> set[str]:
        """Return the games on the wishlist."""
        return {wish["gameId"] for wish in (await self.get("/api/wishlist"))["items"]}

    def take_session(self, session_id: str) -> None:
        """Let the browser send this session id."""
        self.client.cookies.set("sessionId", session_id, domain="shop.test", path="/")

    @property
    def session(self) -> str | None:
        """The session id of the browser's cookie."""
        return self.client.cookies.get("sessionId")


@asynccontextmanager
async def open_browser(app: ASGIApp, **settings: Any) -> AsyncIterator[Person]:
    """Open a browser with a client address of its own."""
    number = next(_addresses)
    address = settings.pop("address", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    transport = httpx2.ASGITransport(app=app, client=(address, 4711))  # type: ignore[arg-type] # both name ASGI anew
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://shop.test", **settings
    ) as client:
        yield Person(client)


def new_email() -> str:
    """Return an email address that no account has."""
    return f"alice-{new_id()}@example.com"


def message_of(answer: httpx2.Response) -> str:
    """Return the message of an error."""
    assert answer.json()["success"] is False
    return str(answer.json()["error"]["message"])
