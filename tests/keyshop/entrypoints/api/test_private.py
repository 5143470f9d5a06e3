"""Personal responses are not stored outside the shop, and cookies are sent only to it."""

from ipaddress import IPv4Network

import pytest
import pytest_asyncio
from litestar.types import ASGIApp

from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, new_email, open_browser

PERSONAL = [
    ("GET", "/api/cart"),
    ("GET", "/api/wishlist"),
    ("GET", "/api/user/profile"),
    ("GET", "/api/user/wishlist"),
    ("GET", "/api/user/orders"),
    ("GET", "/api/orders"),
    ("GET", "/api/orders/any"),
    ("POST", "/api/orders"),
    ("GET", "/api/auth/me"),
    ("GET", "/api/auth/verify-email?token=x"),
    ("GET", "/api/auth/reset-password?token=x"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/refresh"),
    ("PATCH", "/api/auth/login"),
    ("GET", "/api/user/nothing"),
    ("GET", "/api/api/cart"),
    ("GET", "/api//cart"),
    ("GET", "/api//api/cart"),
    ("GET", "/api/api//cart"),
    ("GET", "///api///user/profile/"),
    ("GET", "/%2fapi/user/profile"),
    ("GET", "//api/auth/reset-password?token=x"),
    ("POST", "//api/auth/login"),
    ("GET", "/api/cart/%00"),
    ("OPTIONS", "/api/cart"),
]


@pytest_asyncio.fixture
async def public_app(stocked: Database) -> ASGIApp:
    """The shop as visitors reach it over TLS, behind a proxy."""
    return make_app(stocked, trusted_proxies=[IPv4Network("10.0.0.0/8")], secure_cookies=True)


class TestPersonalResponse:
    @pytest.mark.parametrize(("method", "path"), PERSONAL)
    async def test_is_not_stored_by_browsers_or_proxies(
        self, guest: Person, alice: Person, method: str, path: str
    ):
        for person in (guest, alice):
            # The whole URL: a path that begins with two slashes alone would name a host.
            answer = await person.request(method, f"http://shop.test{path}")

            assert answer.headers.get_list("cache-control") == ["no-store"]
            assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
            assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_is_that_of_every_path_for_signed_in_users(self, guest: Person):
        document = (await guest.request("GET", "/openapi.json")).json()
        for_users = [
            (method, path.replace("{", "").replace("}", ""))
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if "security" in operation
        ]

        answers = [await guest.request(method.upper(), path) for method, path in for_users]

        assert len(for_users) > 20
        stored = [
            place
            for place, answer in zip(for_users, answers, strict=True)
            if answer.headers.get_list("cache-control") != ["no-store"]
        ]
        assert stored == []

    async def test_excludes_the_catalogue(self, guest: Person):
        answer = await guest.request("GET", "/api/games/genres")

        assert answer.headers.get_list("cache-control") == ["public, no-cache"]


class TestOtherResponse:
    @pytest.mark.parametrize(
        ("path", "rule"),
        [
            ("/live", "no-store"),
            ("/health", "no-store"),
            ("/metrics", "no-store"),
            ("/", "no-store"),
            ("/docs", "no-store"),
            ("/openapi.json", "no-store"),
            ("/api/games/nothing", "no-store"),
            ("/docs/files/swagger-ui.css", "public, max-age=3600"),
            ("/api//games", "public, no-cache"),
        ],
    )
    async def test_is_stored_only_if_it_says_so(self, guest: Person, path: str, rule: str):
        answer = await guest.request("GET", path)

        assert answer.headers.get_list("cache-control") == [rule]


class TestPathWithRepeatedSlashes:
    async def test_is_the_same_path_to_every_rule(self, guest: Person):
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        answers = [
            await guest.request("POST", path, content=b"token=x&password=y", headers=form)
            for path in ("/api/auth/pages/reset-password", "/api/auth//pages///reset-password")
        ]

        assert answers[0].status_code not in {403, 404, 415}
        assert answers[0].status_code == answers[1].status_code


class TestEncryptedShop:
    async def test_sets_cookies_that_are_sent_only_over_tls(self, public_app, games):
        async with open_browser(public_app) as guest:
            answer = await guest.request("POST", "/api/cart", json={"gameId": games[0]})

        assert "Secure" in answer.headers["set-cookie"].split("; ")
        assert "max-age=" in answer.headers["strict-transport-security"]

    async def test_sets_them_when_a_trusted_proxy_reports_tls(self, stocked: Database, games):
        app = make_app(stocked, trusted_proxies=[IPv4Network("10.0.0.0/8")])
        secure = []
        for address, proto in [
            ("10.0.0.1", "https"),
            ("10.0.0.1", "http"),
            ("203.0.113.5", "https"),
        ]:
            async with open_browser(app, address=address) as guest:
                answer = await guest.request(
                    "POST",
                    "/api/cart",
                    json={"gameId": games[0]},
                    headers={"X-Forwarded-Proto": proto},
                )
                secure.append("Secure" in answer.headers["set-cookie"].split("; "))

        assert secure == [True, False, False]

    async def test_records_the_address_of_a_sign_in(self, public_app, stocked: Database, alice):
        header = {"X-Forwarded-For": "198.51.100.1, 203.0.113.77", "User-Agent": "Fire\x01fox"}
        async with open_browser(public_app, address="10.0.0.1") as phone:
            await phone.sign_in(alice.email, headers=header)

        async with stocked.read() as reader:
            noted = await reader.fetchrow(
                """SELECT "ipAddress", "userAgent" FROM login_history WHERE "userId" = $1
                ORDER BY "createdAt" DESC""",
                alice.id,
            )
        assert noted is not None
        assert tuple(noted) == ("203.0.113.77", "Firefox")

    async def test_limits_clients_and_not_their_proxy(self, public_app):
        async def register(client: str) -> int:
            answer = await proxy.request(
                "POST",
                "/api/auth/forgot-password",
                json={"email": new_email()},
                headers={"X-Forwarded-For": f"192.0.2.9, {client}"},
            )
            return answer.status_code

        async with open_browser(public_app, address="10.0.0.1") as proxy:
            statuses = [await register("203.0.113.8") for _ in range(21)]

            assert statuses == [200] * 20 + [429]
            assert await register("203.0.113.9") == 200
