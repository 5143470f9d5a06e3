"""What strangers see on the public port: the shop, and nothing about how it runs."""

from ipaddress import IPv4Network

import pytest
from httpx2 import Response

from keyshop.kit.database.pool import Database
from keyshop.kit.secrets import Secret
from keyshop.settings import Environment, Settings
from tests.factories.api_app import make_app
from tests.factories.browsers import open_browser

TOKEN = "figures-for-our-own-prometheus-only"
PROXIES = [IPv4Network("10.0.0.0/8")]
STRANGER = "203.0.113.5"


async def get(db: Database, path: str, address: str, *headers: tuple[str, str]) -> Response:
    app = make_app(db, metrics_token=Secret(TOKEN), trusted_proxies=PROXIES)
    async with open_browser(app, address=address) as visitor:
        return await visitor.request("GET", path, headers=dict(headers))


class TestMetrics:
    @pytest.mark.parametrize(
        ("address", "headers", "status"),
        [
            ("127.0.0.1", [], 200),
            ("::1", [], 200),
            (STRANGER, [], 401),
            (STRANGER, [("Authorization", f"Bearer {TOKEN}")], 200),
            (STRANGER, [("Authorization", f"bearer  {TOKEN}")], 200),
            (STRANGER, [("Authorization", f"Bearer {TOKEN[:-1]}")], 401),
            (STRANGER, [("Authorization", f"Bearer {TOKEN}x")], 401),
            (STRANGER, [("Authorization", "Bearer ")], 401),
            (STRANGER, [("Authorization", f"Basic {TOKEN}")], 401),
            (STRANGER, [("X-Forwarded-For", "127.0.0.1")], 401),
            ("10.0.0.1", [("X-Forwarded-For", f"127.0.0.1, {STRANGER}")], 401),
            ("127.0.0.1", [("X-Forwarded-For", STRANGER)], 401),
            ("127.0.0.1", [("Forwarded", f"for={STRANGER}")], 401),
        ],
    )
    async def test_are_for_this_machine_and_holders_of_the_token(
        self, stocked: Database, address: str, headers: list[tuple[str, str]], status: int
    ):
        answer = await get(stocked, "/metrics", address, *headers)

        assert answer.status_code == status
        assert ("keyshop_http" in answer.text) is (status == 200)

    async def test_are_for_this_machine_only_without_a_token(self, stocked: Database):
        async with open_browser(make_app(stocked), address=STRANGER) as stranger:
            for value in ("Bearer ", "Bearer None"):
                answer = await stranger.request("GET", "/metrics", headers={"Authorization": value})
                assert answer.status_code == 401


class TestDocumentation:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/docs",
            "/docs/",
            "/docs/files/swagger-ui.css",
            "/docs/openapi.json",
            "/openapi.json",
        ],
    )
    async def test_is_not_found_where_it_is_not_public(self, stocked: Database, path: str):
        async with open_browser(make_app(stocked, public_docs=False)) as visitor:
            answer = await visitor.request("GET", path)
            shown = await visitor.request("GET", "/api/games/genres")

        assert answer.status_code == 404
        assert answer.json()["error"]["message"].endswith("not found")
        assert shown.status_code == 200

    @pytest.mark.parametrize(
        ("environment", "word", "shown"),
        [
            ("development", None, True),
            ("development", "off", False),
            ("production", None, False),
            ("production", "on", True),
        ],
    )
    def test_is_public_in_production_only_when_it_is_set(self, environment, word, shown):
        settings = Settings.model_construct(keyshop_env=Environment(environment), public_docs=word)

        assert settings.shows_docs is shown
