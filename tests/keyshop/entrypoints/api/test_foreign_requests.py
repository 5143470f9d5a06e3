"""What a page of another website can make a visitor's browser send."""

from typing import Any

import pytest
from litestar.types import ASGIApp

from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser
from tests.keyshop.entrypoints.api.conftest import ORIGIN, client_of

OWN = "http://shop.test"
FORM_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/json",
    "application/json-seq",
    "application/jsonp",
    "x/y; application/json",
    "",
]
WRITES = [
    ("POST", "/api/cart"),
    ("PUT", "/api/cart/some-game"),
    ("DELETE", "/api/cart"),
    ("DELETE", "/api/cart/some-game"),
    ("POST", "/api/cart/migrate"),
    ("POST", "/api/wishlist"),
    ("DELETE", "/api/wishlist/some-game"),
    ("POST", "/api/wishlist/migrate"),
    ("POST", "/api/user/wishlist/migrate"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/logout"),
    ("POST", "/api/user/logout"),
    ("POST", "/api/api/cart"),
    ("POST", "/api/cart/"),
]
FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://blog.shop.test"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://shop.test.evil.example"},
    {"Origin": "http://shop.test:81"},
    {"Origin": f"{OWN}, https://evil.example"},
    {"Origin": "file://shop.test"},
    {"Origin": f"{ORIGIN}.evil.example"},
]
OURS: list[dict[str, str]] = [
    {},
    {"Origin": OWN},
    {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": ORIGIN},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    # A development server passes the request on under another host.
    {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-origin"},
]


async def send(app: ASGIApp, headers: dict[str, str], **more: Any) -> int:
    async with client_of(app) as client:
        path = more.pop("path", "/api/cart")
        return (await client.post(path, headers=headers, **more)).status_code


class TestBody:
    @pytest.mark.parametrize("content_type", FORM_TYPES)
    async def test_of_another_type_than_json_changes_nothing(
        self, guest: Person, games, content_type: str
    ):
        await guest.put(games[0])
        session = guest.session

        for method, path in WRITES:
            answer = await guest.request(
                method,
                path,
                content=f'{{"gameId": "{games[1]}"}}',
                headers={"Content-Type": content_type},
            )

            assert answer.status_code == 415, path
            assert "application/json" in message_of(answer)
            assert "set-cookie" not in answer.headers
        assert guest.session == session
        assert await guest.cart() == {games[0]: 1}

    async def test_in_chunks_needs_the_type_too(self, app: ASGIApp):
        async def chunks():
            yield b'{"gameId": "x"}'

        assert await send(app, {"Content-Type": "text/plain"}, content=chunks()) == 415

    @pytest.mark.parametrize(
        "content_type", ["application/json; charset=utf-8", "Application/JSON"]
    )
    async def test_is_json_in_each_spelling_of_the_type(
        self, guest: Person, games, content_type: str
    ):
        body = f'{{"gameId": "{games[0]}"}}'

        answer = await guest.request(
            "POST", "/api/cart", content=body, headers={"Content-Type": content_type}
        )

        assert answer.status_code == 201

    async def test_may_be_missing(self, alice: Person):
        answer = await alice.client.post(
            "/api/user/logout", headers={"Authorization": f"Bearer {alice.token}"}
        )

        assert answer.status_code == 200


class TestForeignPage:
    @pytest.mark.parametrize("headers", FOREIGN, ids=str)
    async def test_cannot_act_for_a_visitor(self, guest: Person, games, headers: dict[str, str]):
        await guest.put(games[0])
        session = guest.session

        for method, path in WRITES:
            answer = await guest.request(method, path, json={"gameId": games[1]}, headers=headers)

            assert answer.status_code == 403, path
            assert message_of(answer)
            assert "set-cookie" not in answer.headers
        assert guest.session == session
        assert await guest.cart() == {games[0]: 1}

    @pytest.mark.parametrize("headers", OURS, ids=str)
    async def test_is_not_the_shop_itself(self, guest: Person, games, headers: dict[str, str]):
        answer = await guest.request(
            "POST", "/api/cart", json={"gameId": games[0]}, headers=headers
        )

        assert answer.status_code == 201

    async def test_still_links_to_the_shop(self, guest: Person):
        answer = await guest.request("GET", "/api/cart", headers={"Sec-Fetch-Site": "cross-site"})

        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers

    async def test_is_the_plain_one_of_an_encrypted_shop(self, stocked: Database):
        app = make_app(stocked, secure_cookies=True)

        assert await send(app, {"Origin": "http://shop.test"}, json={}) == 403
        assert await send(app, {"Origin": "https://shop.test"}, json={}) == 400

    async def test_is_not_the_public_address_behind_a_proxy(self, stocked: Database):
        app = make_app(stocked, public_origin="https://keys.example")

        assert await send(app, {"Origin": "https://keys.example"}, json={}) == 400

    async def test_does_not_stop_the_forms_of_mailed_links(self, app: ASGIApp):
        # They send no referrer, so browsers name no origin.
        headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        path = "/api/auth/pages/forgot-password"

        assert await send(app, headers, path=path, data={"email": "alice@example.com"}) == 200


class TestReads:
    async def test_set_no_cookie(self, app: ASGIApp):
        async with open_browser(app) as person:
            for path in ("/api/cart", "/api/wishlist", "/api/games", "/api/wishlist/x/check"):
                answer = await person.request(
                    "GET", path, headers={"Cookie": "sessionId=" + "a" * 32}
                )

                assert "set-cookie" not in answer.headers
