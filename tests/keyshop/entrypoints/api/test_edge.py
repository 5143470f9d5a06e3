import json
from typing import Any

import pytest
from httpx2 import AsyncClient
from litestar.types import ASGIApp

from keyshop.entrypoints.api.probes import Check, Finding
from keyshop.entrypoints.http.errors import STATUS_BY_ERROR, error_status
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from tests.factories.api_app import make_app
from tests.keyshop.entrypoints.api.conftest import ORIGIN, client_of

_JSON = {"Content-Type": "application/json"}


def families(kind: type[ShopError]) -> list[type[ShopError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in families(child))]


class TestErrors:
    async def test_name_an_unknown_route_as_it_was_requested(self, client: AsyncClient):
        response = await client.get("/api/nothing/here?a=1&b=%20")

        assert response.status_code == 404
        assert response.json()["error"]["message"] == "Route /api/nothing/here?a=1&b=%20 not found"

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_list_the_allowed_methods(self, client: AsyncClient, method: str):
        response = await client.request(method, "/api/games/genres")

        assert response.status_code == 405
        assert response.headers.get_list("allow") == ["GET, HEAD, OPTIONS"]

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_list_no_head_where_there_is_no_get(self, client: AsyncClient, method: str):
        response = await client.request(method, "/api/auth/login")

        assert response.status_code == 405
        assert response.headers.get_list("allow") == ["OPTIONS, POST"]

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b'{"title": "x"}',
            b'{"title": "x", "copies": "2"}',
            b'{"title": "x", "copies": 2, "more": 1}',
            b'{"title": "\xff\xfe", "copies": 1}',
            b'{"title": "\\u0000", "copies": 1}',
            b"\xff\xfe",
            b"[" * 5_000,
            b'{"title": ' * 5_000,
            b"",
        ],
        ids=str,
    )
    async def test_refuse_a_malformed_body(self, client: AsyncClient, body: bytes):
        response = await client.post(
            "/tests/wishes", content=body, headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 400
        assert response.json()["success"] is False

    @pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 5_000, b'{"a": "secret"}'])
    async def test_refuse_a_malformed_body_that_the_framework_reads(
        self, client: AsyncClient, body: bytes
    ):
        response = await client.post(
            "/tests/framework", content=body, headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 400
        assert response.json()["success"] is False
        assert "secret" not in response.text

    async def test_refuse_a_body_over_100_kilobytes(self, client: AsyncClient):
        fits = json.dumps({"title": "x" * 100_000, "copies": 2}).encode()
        too_large = json.dumps({"title": "x" * 103_000, "copies": 2}).encode()

        assert (await client.post("/tests/wishes", content=fits, headers=_JSON)).json() == {
            "copies": 2
        }
        response = await client.post("/tests/wishes", content=too_large, headers=_JSON)

        assert response.status_code == 413
        assert response.json()["error"]["message"] == "The request body is larger than 100 kB."

    async def test_never_show_an_exceptions_own_text(self, client: AsyncClient):
        response = await client.post("/tests/faults")

        assert response.status_code == 500
        assert "secret-of-the-house" not in response.text
        assert "error id" in response.json()["error"]["message"]

    async def test_report_an_unavailable_database(self):
        app = make_app(
            Database("postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None))
        )

        async with client_of(app) as client:
            response = await client.get("/api/games/genres")

        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["success"] is False

    def test_have_a_status_each(self):
        """No error of the shop reaches a customer as a bare 500."""
        for kind in families(ShopError):
            if kind is not ShopError:
                assert error_status(kind.__new__(kind)) in STATUS_BY_ERROR.values()


class TestHost:
    @pytest.mark.parametrize(
        ("version", "hosts", "status"),
        [
            ("1.1", 1, 200),
            ("1.1", 0, 400),
            ("1.1", 2, 400),
            ("1.0", 1, 200),
            ("1.0", 0, 200),
            ("1.0", 2, 400),
        ],
    )
    async def test_is_named_once(self, app: ASGIApp, version: str, hosts: int, status: int):
        async def another_version(scope: Any, receive: Any, send: Any) -> None:
            headers = [(b"host", b"shop.test")] * hosts
            scope |= {"http_version": version, "headers": headers}
            await app(scope, receive, send)

        async with client_of(another_version) as client:
            response = await client.get("/api/games/genres")

        assert response.status_code == status
        assert response.json()["success"] is (status == 200)


class TestOrigins:
    @pytest.mark.parametrize("path", ["/api/games", "/api/nothing", "/"])
    async def test_get_a_preflight_response_at_any_path(self, client: AsyncClient, path: str):
        response = await client.options(
            path, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        )

        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "DELETE" in response.headers["access-control-allow-methods"]
        assert "Authorization" in response.headers["access-control-allow-headers"]

    async def test_that_are_allowed_may_read_responses_and_errors(self, client: AsyncClient):
        for path in ("/api/games/genres", "/api/games/no-such-game", "/api/nothing"):
            response = await client.get(path, headers={"Origin": ORIGIN})

            assert response.headers["access-control-allow-origin"] == ORIGIN
            assert response.headers["vary"] == "Origin"

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "https://shop.example.evil.example",
            "http://shop.example",
            "https://localhost",
            "null",
        ],
    )
    async def test_that_are_not_named_exactly_are_not_allowed(
        self, client: AsyncClient, origin: str
    ):
        for response in (
            await client.get("/api/games/genres", headers={"Origin": origin}),
            await client.options("/api/games", headers={"Origin": origin}),
        ):
            assert response.status_code == 200
            assert "access-control-allow-origin" not in response.headers


class TestEveryResponse:
    @pytest.mark.parametrize("path", ["/api/games/genres", "/api/nothing", "/", "/live"])
    async def test_forbids_content_sniffing_and_framing(self, client: AsyncClient, path: str):
        response = await client.get(path)

        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["x-request-id"]

    async def test_has_an_id_of_its_own(self, client: AsyncClient):
        ids = [(await client.get("/live")).headers["x-request-id"] for _ in range(50)]

        assert len(set(ids)) == 50
        assert all(len(bytes.fromhex(id_)) == 16 for id_ in ids)


class TestHead:
    @pytest.mark.parametrize(
        "path",
        ["/api/games/genres", "/api/games", "/live", "/health", "/", "/docs", "/openapi.json",
         "/api/cart", "/api/auth/me", "/api/nothing", "/api/games/%00", "/metrics"],
    )  # fmt: skip
    async def test_is_answered_as_get_without_a_body(self, client: AsyncClient, path: str):
        head, get = await client.head(path), await client.get(path)

        assert head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.content == b""
        assert int(head.headers["content-length"]) > 0

    async def test_is_refused_where_there_is_no_get(self, client: AsyncClient):
        assert (await client.head("/api/auth/login")).status_code == 405

    async def test_is_counted_as_such(self, client: AsyncClient):
        await client.head("/live")

        line = 'keyshop_http_requests_total{method="HEAD",operation="/live",status="200"}'
        assert line in (await client.get("/metrics")).text


class TestHealth:
    @pytest.mark.parametrize("path", ["/health", "/api/health"])
    async def test_reports_every_check(self, client: AsyncClient, path: str):
        response = await client.get(path)

        assert response.status_code == 200
        assert response.json()["status"] == "ok"
        assert response.json()["checks"] == {"database": "ok"}
        assert response.json()["timestamp"].endswith("Z")

    async def test_is_degraded_without_the_supplier(self, stocked: Database):
        async def is_away() -> Finding:
            raise ConnectionError("secret-of-the-house")

        app = make_app(stocked, checks={"g2a": Check(is_away)})
        async with client_of(app) as client:
            response = await client.get("/health")

        assert response.status_code == 200
        assert response.json()["status"] == "degraded"
        assert response.json()["checks"] == {"database": "ok", "g2a": "error"}
        assert response.json()["reasons"] == {"g2a": "It cannot be reached."}

    async def test_is_ok_in_a_shop_without_a_cache(self, stocked: Database):
        async def is_not_wanted() -> Finding:
            return Finding("disconnected")

        app = make_app(stocked, checks={"redis": Check(is_not_wanted)})
        async with client_of(app) as client:
            response = await client.get("/health")

        assert response.json()["status"] == "ok"
        assert response.json()["checks"]["redis"] == "disconnected"

    async def test_is_503_without_the_database(self):
        app = make_app(
            Database("postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None))
        )

        async with client_of(app) as client:
            response = await client.get("/health")
            alive = await client.get("/live")

        assert response.status_code == 503
        assert response.json()["checks"] == {"database": "error"}
        assert alive.json() == {"status": "ok"}


class TestMetrics:
    async def test_count_requests_by_route_and_not_by_path(self, client: AsyncClient):
        await client.get("/api/games/slug/some-address-of-a-game")

        figures = (await client.get("/metrics")).text

        assert (
            'keyshop_http_requests_total{method="GET",operation="/api/games/slug/{slug:str}"'
            in figures.replace("{slug}", "{slug:str}")
        )
        assert "some-address-of-a-game" not in figures
        assert "keyshop_http_request_seconds_bucket" in figures


class TestPages:
    async def test_start_page_links_only_to_existing_pages(self, client: AsyncClient):
        page = (await client.get("/")).text

        links = [part.partition('"')[0] for part in page.split('href="')[1:]]
        for link in links:
            if not link.startswith("data:"):
                assert (await client.get(link.replace("&amp;", "&"))).status_code == 200

    async def test_documentation_loads_nothing_from_other_hosts(self, client: AsyncClient):
        page = (await client.get("/docs")).text

        assert "://" not in page
        for file in ("swagger-ui-bundle.js", "swagger-ui.css"):
            assert f"/docs/files/{file}" in page
            assert (await client.get(f"/docs/files/{file}")).status_code == 200

    async def test_documentation_serves_no_other_file(self, client: AsyncClient):
        for name in ("docs.py", "..%2Fdocs.py", "swagger-ui.LICENSE"):
            assert (await client.get(f"/docs/files/{name}")).status_code == 404

    async def test_openapi_document_describes_every_endpoint(self, client: AsyncClient):
        document = (await client.get("/openapi.json")).json()

        games = [path for path in document["paths"] if path.startswith("/api/games")]
        assert len(games) == 16
        assert document["components"]["schemas"]["Game"]["properties"]["price"] == {
            "type": "number"
        }

    async def test_openapi_document_describes_bodies_tokens_and_errors(self, client: AsyncClient):
        document = (await client.get("/openapi.json")).json()

        add = document["paths"]["/api/cart"]["post"]
        assert add["requestBody"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/AddCartItemBody"
        }
        quantity = document["components"]["schemas"]["AddCartItemBody"]["properties"]["quantity"]
        assert quantity["type"] == "integer"
        assert add["security"] == [{"Bearer": []}, {}]
        assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
        assert {"201", "400", "401", "404", "413", "500", "503"} <= set(add["responses"])
        assert {"409", "429"} <= set(document["paths"]["/api/auth/login"]["post"]["responses"])
