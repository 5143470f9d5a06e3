"""Public answers carry an entity tag, and a client that has the answer gets 304."""

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response
from redis import Redis

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, open_browser
from tests.factories.games import make_game
from tests.factories.observed_api import (
    ObservedApi,
    open_api_without_cache,
    open_observed_api,
)
from tests.keyshop.entrypoints.api.conftest import ORIGIN

# A path for each public operation of the OpenAPI document.
PATHS = {
    "/api/games": "?inStockOnly=true&sort=newest",
    "/api/games/autocomplete": "?q=ir",
    "/api/games/search": "?q=iron",
    "/api/games/best-sellers": "?genre=action",
    "/api/games/new-in-catalog": "",
    "/api/games/preorders": "",
    "/api/games/new": "",
    "/api/games/by-genre/{genre}": "noir",
    "/api/games/random": "?count=30",
    "/api/games/genres": "",
    "/api/games/platforms": "",
    "/api/games/filter-options": "",
    "/api/games/collections": "",
    "/api/games/{game_id}/similar": "no-such-game",
    "/api/games/slug/{slug}": "iron-dawn",
    "/api/games/{game_id}": "{id}",
}
VALIDATORS = ["etag", "cache-control"]
FAILING = [
    ("/api/games/no-such-game", 404),
    ("/api/games/slug/no-such-game", 404),
    ("/api/games/search?q=", 400),
    ("/api/games?page=x", 400),
    ("/api/games?page=%00", 400),
    ("/api/nothing", 404),
]


def url_of(template: str, game: str) -> str:
    given = PATHS[template].format(id=game)
    if "{" not in template:
        return template + given
    begin, _, end = template.partition("{")
    return begin + given + end.partition("}")[2]


def etag_of(response: Response) -> str:
    """Return the entity tag of a public answer, which must fit its bytes."""
    assert response.status_code == 200
    etag = response.headers["etag"]
    assert etag == f'"{sha256(response.content).hexdigest()[:32]}"'
    return etag


@pytest_asyncio.fixture
async def cached(database_url: str, valkey_url: str, worker_id: str) -> AsyncIterator[ObservedApi]:
    """A shop whose answers are cached; its games are the test's."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = f"{valkey_url.removesuffix('/0')}/{1 + number % 15}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    async with open_observed_api(database_url, url) as opened:
        yield opened


class TestPublicAnswer:
    async def test_is_described_for_every_path(self, client: AsyncClient):
        paths = (await client.get("/openapi.json")).json()["paths"]
        described = {path: operations["get"] for path, operations in paths.items()
                     if path.startswith("/api/games")}  # fmt: skip

        assert described.keys() == PATHS.keys()
        for operation in described.values():
            assert "If-None-Match" in {one["name"] for one in operation["parameters"]}
            assert "ETag" in operation["responses"]["200"]["headers"]
            assert "content" not in operation["responses"]["304"]

    @pytest.mark.parametrize("template", PATHS)
    async def test_has_the_tag_of_its_bytes_and_is_asked_for_again(
        self, client: AsyncClient, games: list[str], template: str
    ):
        response = await client.get(url_of(template, games[0]))

        assert etag_of(response)
        assert response.headers.get_list("cache-control") == ["public, no-cache"]

    @pytest.mark.parametrize("template", [path for path in PATHS if not path.endswith("/random")])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_is_304_without_a_body_for_a_client_that_has_it(
        self, client: AsyncClient, games: list[str], template: str, method: str
    ):
        url = url_of(template, games[0])
        known = await client.get(url)

        again = await client.request(method, url, headers={"If-None-Match": etag_of(known)})

        assert (again.status_code, again.content) == (304, b"")
        assert "content-length" not in again.headers
        assert "content-type" not in again.headers
        for name in (*VALIDATORS, "vary", "x-content-type-options"):
            assert again.headers[name] == known.headers[name]

    @pytest.mark.parametrize("template", [path for path in PATHS if not path.endswith("/random")])
    async def test_has_the_same_headers_for_head(
        self, client: AsyncClient, games: list[str], template: str
    ):
        url = url_of(template, games[0])
        got, head = await client.get(url), await client.head(url)

        for name in (*VALIDATORS, "content-length", "content-type"):
            assert head.headers[name] == got.headers[name]

    @pytest.mark.parametrize("value", ['"another"', "", "nonsense", 'W/"another", "", ,'])
    async def test_is_sent_whole_to_a_client_that_has_another(self, client: AsyncClient, value):
        response = await client.get("/api/games/genres", headers={"If-None-Match": value})

        assert etag_of(response)

    async def test_is_unchanged_for_a_client_whose_proxy_made_the_tag_weak(
        self, client: AsyncClient
    ):
        etag = etag_of(await client.get("/api/games/genres"))

        for value in (f"W/{etag}", f'"older", W/{etag}', "*"):
            response = await client.get("/api/games/genres", headers={"If-None-Match": value})
            assert response.status_code == 304, value

    @pytest.mark.parametrize("template", [path for path in PATHS if not path.endswith("/random")])
    async def test_is_the_same_for_every_visitor(
        self, client: AsyncClient, alice: Person, games: list[str], template: str
    ):
        url = url_of(template, games[0])
        await alice.request("POST", "/api/cart", json={"gameId": games[0]})
        etag = etag_of(await client.get(url))

        strangers = {"Cookie": "sessionId=x; token=y", "Authorization": "Bearer nonsense",
                     "Accept": "text/html", "Accept-Language": "de", "Accept-Encoding": "br"}  # fmt: skip
        for answer in (await alice.request("GET", url), await client.get(url, headers=strangers)):
            assert etag_of(answer) == etag
            assert "set-cookie" not in answer.headers

    async def test_may_be_asked_for_again_by_an_allowed_origin(self, client: AsyncClient):
        asked = await client.options("/api/games", headers={"Origin": ORIGIN})
        answered = await client.get("/api/games", headers={"Origin": ORIGIN})
        again = await client.get(
            "/api/games", headers={"Origin": ORIGIN, "If-None-Match": etag_of(answered)}
        )

        assert "If-None-Match" in asked.headers["access-control-allow-headers"]
        assert "ETag" in answered.headers["access-control-expose-headers"]
        assert again.status_code == 304
        assert again.headers["access-control-allow-origin"] == ORIGIN


class TestError:
    @pytest.mark.parametrize(("url", "status"), FAILING)
    @pytest.mark.parametrize("tag", [None, "*", '"x"'])
    async def test_has_no_tag_and_is_not_stored(
        self, client: AsyncClient, url: str, status: int, tag: str | None
    ):
        response = await client.get(url, headers={} if tag is None else {"If-None-Match": tag})

        assert response.status_code == status
        assert response.headers.get_list("cache-control") == ["no-store"]
        assert "etag" not in response.headers

    @pytest.mark.parametrize("template", PATHS)
    async def test_of_a_database_that_is_away_has_no_tag_and_is_not_stored(self, template: str):
        db = Database("postgresql://nobody@127.0.0.1:1/nothing", guard=RedisCommitGuard(None))

        async with open_browser(make_app(db)) as guest:
            response = await guest.request(
                "GET", url_of(template, "any"), headers={"If-None-Match": "*"}
            )

        assert response.status_code == 503
        assert response.headers.get_list("cache-control") == ["no-store"]
        assert "etag" not in response.headers


class TestPersonalAnswer:
    @pytest.mark.parametrize(
        "path", ["/api/cart", "/api/wishlist", "/api/user/profile", "/api/auth/me"]
    )
    async def test_is_never_304(self, alice: Person, path: str):
        response = await alice.request("GET", path, headers={"If-None-Match": "*"})

        assert response.status_code == 200
        assert "etag" not in response.headers
        assert response.headers.get_list("cache-control") == ["no-store"]


class TestCachedAnswer:
    async def test_has_the_tag_of_the_uncached_one(self, cached: ObservedApi, database_url: str):
        game = await make_game(cached.db, title="Iron Dawn", slug="iron-dawn", genres=["Noir"])
        async with open_api_without_cache(database_url) as without:
            for template in PATHS:
                url = url_of(template, game)
                fresh = etag_of(await without.get(url))
                for _ in range(3):
                    assert etag_of(await cached.visitor.get(url)) == fresh, url

    async def test_is_304_without_a_query(self, cached: ObservedApi):
        game = await make_game(cached.db)
        etag = etag_of(await cached.get(f"/{game}"))
        await cached.warm(f"/{game}")

        before = cached.db.reads
        again = await cached.visitor.get(f"/api/games/{game}", headers={"If-None-Match": etag})

        assert (again.status_code, cached.db.reads - before) == (304, 0)

    async def test_is_never_304_after_its_game_changed(self, cached: ObservedApi):
        game = await make_game(cached.db, slug="iron-dawn")
        for price in ("9.99", "10.01", "9.99", "0.50"):
            paths = [f"/{game}", "/slug/iron-dawn", "/best-sellers", "?sort=newest"]
            await cached.change('UPDATE games SET price = 7, "isBestSeller" = true')
            await cached.warm(*paths)
            known = {path: etag_of(await cached.get(path)) for path in paths}

            await cached.change("UPDATE games SET price = $1::text::numeric", price)

            for path in paths:
                response = await cached.visitor.get(
                    f"/api/games{path}", headers={"If-None-Match": known[path]}
                )
                assert etag_of(response) != known[path]
                assert f'"price":{price}' in response.text

    async def test_that_has_become_absent_is_404(self, cached: ObservedApi):
        game = await make_game(cached.db)
        etag = etag_of(await cached.get(f"/{game}"))
        await cached.warm(f"/{game}")

        await cached.change("DELETE FROM games WHERE id = $1", game)

        response = await cached.visitor.get(f"/api/games/{game}", headers={"If-None-Match": etag})
        assert response.status_code == 404

    async def test_of_an_older_release_is_neither_served_nor_confirmed(self, cached: ObservedApi):
        """Before entity tags, the payload was the body alone, and its head named no format."""
        game = await make_game(cached.db)
        body = (await cached.get(f"/{game}")).content
        await cached.warm(f"/{game}")
        name = f"game:{game}"
        value = await cached.redis.get(name)
        assert isinstance(value, bytes)
        _, tag, key, generation, _ = value.split(b"|", 4)
        older = b"|".join([tag, key, generation, body])

        await cached.redis.set(name, older)
        response = await cached.get(f"/{game}")

        assert response.content == body
        assert etag_of(response)
