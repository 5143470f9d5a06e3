"""A built storefront beside the API: its files, its paths, and no other file of the disk."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.keyshop.entrypoints.api.conftest import client_of

_INDEX = "<!doctype html><title>The storefront</title>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A built storefront, in a folder beside files that must not be served."""
    (tmp_path / "secret.txt").write_text("hush")
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(_INDEX)
    (folder / "assets" / "index-B4xQ71_z.js").write_text("let x")
    (folder / "assets" / "theme.css").write_text("a{}")
    (folder / "logo.svg").write_text("<svg/>")
    (folder / ".env").write_text("hush")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest_asyncio.fixture
async def storefront(folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a shop without a reachable database."""
    db = Database("postgresql://nobody@localhost/nothing", guard=RedisCommitGuard(None))
    async with client_of(make_app(db, storefront_dir=folder)) as client:
        yield client


class TestStorefront:
    @pytest.mark.parametrize("path", ["/", "/index.html", "/game/some-slug", "/a/b?c=d", "/apis"])
    async def test_its_page_is_served_at_every_path_that_is_not_the_apis(self, storefront, path):
        answer = await storefront.get(path)

        assert answer.status_code == 200
        assert answer.text == _INDEX
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"

    @pytest.mark.parametrize("path", ["/api", "/api/nothing", "/api/api/nothing", "//api/nothing"])
    async def test_an_unknown_path_of_the_api_stays_404(self, storefront, path):
        answer = await storefront.get(f"http://shop.example{path}")

        assert answer.status_code == 404
        assert answer.json()["success"] is False

    async def test_the_apis_own_pages_stay(self, storefront):
        assert (await storefront.get("/live")).json() == {"status": "ok"}
        assert (await storefront.get("/openapi.json")).json()["openapi"]
        assert "The storefront" not in (await storefront.get("/docs")).text

    async def test_only_get_and_head_are_allowed(self, storefront):
        assert (await storefront.post("/game/some-slug")).status_code in {404, 405}
        looked = await storefront.head("/game/some-slug")
        assert looked.status_code == 200
        assert looked.headers["content-length"] == str(len(_INDEX))
        assert looked.content == b""

    @pytest.mark.parametrize(
        ("path", "media_type", "caching"),
        [
            (
                "/assets/index-B4xQ71_z.js",
                "text/javascript; charset=utf-8",
                "public, max-age=31536000, immutable",
            ),
            ("/assets/theme.css", "text/css; charset=utf-8", "no-cache"),
            ("/logo.svg", "image/svg+xml; charset=utf-8", "no-cache"),
        ],
    )
    async def test_a_file_has_its_media_type_and_cache_headers(
        self, storefront, path, media_type, caching
    ):
        answer = await storefront.get(path)

        assert answer.headers["content-type"] == media_type
        assert answer.headers["cache-control"] == caching
        assert answer.headers["x-content-type-options"] == "nosniff"

        again = await storefront.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        "path",
        [
            "/..%2fsecret.txt",
            "/assets/..%2f..%2fsecret.txt",
            "/%2e%2e/secret.txt",
            "/..%5csecret.txt",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/link.txt",
            "/.env",
            "/assets",
            "/" + "x" * 5000,
        ],
    )
    async def test_nothing_outside_its_folder_is_served(self, storefront, path):
        answer = await storefront.get(f"http://shop.example{path}")

        assert answer.status_code == 200
        assert answer.text == _INDEX

    async def test_a_new_build_is_served_at_once(self, storefront, folder):
        await storefront.get("/")
        (folder / "index.html").write_text("new")

        assert (await storefront.get("/")).text == "new"

    async def test_a_new_build_of_the_same_time_and_length_is_served_at_once(
        self, storefront, folder
    ):
        index = folder / "index.html"
        old = (await storefront.get("/")).headers["etag"]
        built = index.stat().st_mtime_ns
        index.write_text(_INDEX.upper())
        os.utime(index, ns=(built, built))

        answer = await storefront.get("/", headers={"If-None-Match": old})

        assert (answer.status_code, answer.text) == (200, _INDEX.upper())

    @pytest.mark.parametrize(
        ("condition", "status"),
        [("{}", 304), ("W/{}", 304), ('"other", {}', 304), ("*", 304), ('"other"', 200)],
    )
    async def test_a_file_that_the_browser_has_is_not_sent_again(
        self, storefront, condition, status
    ):
        etag = (await storefront.get("/logo.svg")).headers["etag"]

        answer = await storefront.get(
            "/logo.svg", headers={"If-None-Match": condition.format(etag)}
        )

        assert answer.status_code == status
        assert answer.headers["etag"] == etag
        assert bool(answer.content) is (status == 200)


class TestWithoutStorefront:
    async def test_the_start_page_is_served(self, client):
        assert "keyshop" in (await client.get("/")).text
        assert (await client.get("/game/some-slug")).status_code == 404
