"""Cached responses equal uncached ones and are never stale."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest
import pytest_asyncio
from redis import Redis

from keyshop.kit.clock import utc_now
from tests.factories.cached_shop import until
from tests.factories.catalogue import stock_catalogue
from tests.factories.games import make_game
from tests.factories.observed_api import (
    ObservedApi,
    games_in,
    open_api_without_cache,
    open_observed_api,
)

# Every cached response that shows games; "Fresh Iron" is part of all of them.
LISTS = [
    "/best-sellers",
    "/best-sellers?genre=action",
    "/new-in-catalog",
    "/new",
    "/by-genre/Action",
    "/collections",
    "?inStockOnly=true&sort=popular&page=1&pageSize=36",
    "?sort=newest",
    "?sort=price-asc",
    "?sort=price-desc",
    "?genres=action",
    "?platforms=steam",
]
ALSO_CACHED = ["/preorders", "/no-such-game", "/slug/no-such-game", "/autocomplete?q=fr"]
NAMES = ["/genres", "/platforms", "/filter-options"]

# Requests that a client can vary without end.
JUNK = [
    "/best-sellers?genre=junk-{}",
    "/by-genre/junk-{}",
    "?genres=junk-{}",
    "?platforms=junk-{}",
    "/junk-{}/similar",
    "/junk-{}",
    "/slug/junk-{}",
]
RARE = [
    "?minPrice=1&maxPrice={}",
    "?pageSize={}",
    "?search=iron&page={}",
    "?sort=newest&page=1{}",
    "?genres=action&page=1{}",
    "?genres=action,noir&page={}",
    "?genres=action&platforms=steam&page={}",
    "?publishers=Northwind&page={}",
    "/search?q=iron+{}",
    "/autocomplete?q=iron+{}",
    "/autocomplete?q=ir&limit={}",
    "/random?count={}",
    "/iron/similar?count={}",
]


@pytest.fixture
def redis_url(valkey_url: str, worker_id: str) -> str:
    """The URL of an empty Redis database, whose lists no other test caches."""
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    url = f"{valkey_url.removesuffix('/0')}/{1 + number % 15}"
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return url


@pytest_asyncio.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[ObservedApi]:
    """A shop of thirty games and `game`, none of which is cached yet."""
    async with open_observed_api(database_url, redis_url) as opened:
        await stock_catalogue(opened.db)
        yield opened


@pytest_asyncio.fixture
async def game(api: ObservedApi) -> str:
    """A game that is part of every list but the pre-orders."""
    return await make_game(
        api.db,
        title="Fresh Iron",
        price=Decimal("8431.41"),
        userRating=Decimal("4.95"),
        isBestSeller=True,
        releaseDate=utc_now() - timedelta(days=1),
        publisher="Northwind",
        genres=["Action"],
        tags=["robots"],
        platforms=["Steam"],
    )


@pytest_asyncio.fixture
async def other(api: ObservedApi) -> str:
    """A game that is similar to `game`."""
    return await make_game(api.db, title="Kin", genres=["Action"], tags=["robots"])


def pages_of(game: str, other: str) -> list[str]:
    """Return all paths that show the game."""
    return [f"/{game}", "/slug/fresh-iron", f"/{other}/similar", *LISTS]


class TestCachedResponse:
    async def test_needs_no_query_of_postgresql(self, api: ObservedApi, game: str, other: str):
        paths = [*pages_of(game, other), *NAMES, *ALSO_CACHED]
        await api.warm(*paths)

        async def all_are_kept() -> bool:
            return sum([await api.reads_for(path) for path in paths]) == 0

        # On a busy machine the control row may expire for a moment; PostgreSQL is read then.
        await until(all_are_kept)

    async def test_equals_the_uncached_response_to_the_byte(
        self, api: ObservedApi, database_url: str, game: str, other: str
    ):
        paths = [
            *pages_of(game, other),
            *NAMES,
            "/preorders",
            "/no-such-game",
            "/slug/no-such-game",
            "/no-such-game/similar",
            "/best-sellers?genre=nothing",
            "/best-sellers?genre=ACTION",
            "/by-genre/nothing",
            "?genres=nothing",
            "?genres=ACTION,noir&page=2",
            "?page=4",
            "?page=0",
            "/search?q=iron",
            "/autocomplete?q=iron",
            "/autocomplete?q=Iro",
            "/autocomplete?q=iro",
            "/autocomplete?q=zz",
        ]
        async with open_api_without_cache(database_url) as without:
            for path in paths:
                expected = await without.get(f"/api/games{path}")
                for _ in range(3):
                    response = await api.get(path)
                    assert (response.status_code, response.content) == (
                        expected.status_code,
                        expected.content,
                    ), path


class TestChangedGame:
    async def test_is_seen_by_the_next_read_of_every_page(
        self, api: ObservedApi, game: str, other: str
    ):
        paths = pages_of(game, other)
        for price in ("27.18", "14.14"):
            await api.warm(*paths)
            await api.change("UPDATE games SET price = $2 WHERE id = $1", game, Decimal(price))

            seen = {
                path: [one["price"] for one in games_in(await api.show(path)) if one["id"] == game]
                for path in paths
            }

            assert all(seen.values())
            assert {str(one) for prices in seen.values() for one in prices} == {price}

    async def test_is_stale_in_no_key_that_readers_use(
        self, api: ObservedApi, game: str, other: str
    ):
        await api.warm(*pages_of(game, other))
        holding = {key for key in await api.keys() if b"8431.41" in await held(api, key)}
        assert len(holding) == len(pages_of(game, other))

        await api.change("UPDATE games SET price = 27.18 WHERE id = $1", game)

        for path in pages_of(game, other):
            assert b"8431.41" not in (await api.get(path)).content, path
        await api.warm(*pages_of(game, other))
        assert not [key for key in holding if b"8431.41" in await held(api, key)]

    async def test_that_is_sold_out_leaves_the_lists_at_once(self, api: ObservedApi, game: str):
        paths = ["/best-sellers", "/new", "/by-genre/Action", "/collections", "?inStockOnly=true"]
        await api.warm(*paths)

        await api.change('UPDATE games SET "inStock" = false WHERE id = $1', game)

        for path in paths:
            assert game not in {one["id"] for one in games_in(await api.show(path))}, path

    async def test_that_is_deleted_is_shown_nowhere(self, api: ObservedApi, game: str, other: str):
        await api.warm(*pages_of(game, other))

        await api.change("DELETE FROM games WHERE id = $1", game)

        assert (await api.get(f"/{game}")).status_code == 404
        assert (await api.get("/slug/fresh-iron")).status_code == 404
        for path in (f"/{other}/similar", *LISTS):
            assert game not in {one["id"] for one in games_in(await api.show(path))}, path

    async def test_is_found_by_its_new_slug_and_not_by_the_old_one(
        self, api: ObservedApi, game: str
    ):
        await api.warm(f"/{game}", "/slug/fresh-iron", "/slug/rusty-iron")

        await api.change("UPDATE games SET slug = 'rusty-iron' WHERE id = $1", game)

        assert (await api.get("/slug/fresh-iron")).status_code == 404
        assert (await api.show("/slug/rusty-iron"))["id"] == game
        assert (await api.show(f"/{game}"))["slug"] == "rusty-iron"

    async def test_is_suggested_by_its_new_title(self, api: ObservedApi, game: str):
        await api.warm("/autocomplete?q=fre", "/autocomplete?q=rus")

        await api.change("UPDATE games SET title = 'Rusty Iron' WHERE id = $1", game)

        assert game not in {one["id"] for one in await api.show("/autocomplete?q=fre")}
        assert game in {one["id"] for one in await api.show("/autocomplete?q=rus")}

    async def test_is_found_at_once_after_its_absence_was_cached(self, api: ObservedApi):
        await api.warm("/late", "/slug/late-arrival", "/late/similar", "?platforms=amiga")

        await make_game(
            api.db,
            id="late",
            title="Late Arrival",
            tags=["robots"],
            platforms=["Amiga"],
        )

        assert (await api.show("/late"))["title"] == "Late Arrival"
        assert (await api.show("/slug/late-arrival"))["id"] == "late"
        assert await api.show("/late/similar")
        assert (await api.show("?platforms=amiga"))["total"] == 1

    async def test_is_seen_within_a_second_when_another_program_changed_it(
        self, api: ObservedApi, game: str, other: str, database_url: str
    ):
        paths = pages_of(game, other)
        await api.warm(*paths)
        foreign = await asyncpg.connect(database_url)

        await foreign.execute("UPDATE games SET price = 1.00 WHERE id = $1", game)
        await foreign.close()

        async with asyncio.timeout(1):
            for path in paths:
                await api.until_gone(b"8431.41", path)


class TestChangedNames:
    async def test_of_a_genre_are_seen_on_every_page(self, api: ObservedApi, game: str):
        paths = [f"/{game}", "/slug/fresh-iron", "/genres", "/filter-options", *LISTS]
        await api.warm(*paths)

        await api.change("UPDATE genres SET name = 'Deeds' WHERE slug = 'action'")

        for path in paths:
            shown = (await api.get(path)).text
            assert '"Action"' not in shown, path
            assert '"Deeds"' in shown or path == "/by-genre/Action", path
        assert await api.show("/by-genre/Deeds")

    @pytest.mark.parametrize("kind", ["genre", "platform", "tag"])
    async def test_disappear_from_a_game_that_is_no_longer_linked(
        self, api: ObservedApi, game: str, kind: str
    ):
        paths = [f"/{game}", "/slug/fresh-iron", "/best-sellers", "?sort=newest"]
        await api.warm(*paths)

        await api.change(f'DELETE FROM game_{kind}s WHERE "gameId" = $1', game)

        for path in paths:
            [shown] = [one for one in games_in(await api.show(path)) if one["id"] == game]
            assert shown[f"{kind}s"] == [], path

    async def test_of_a_new_genre_can_be_chosen_at_once(self, api: ObservedApi):
        await api.warm("/genres", "/filter-options")

        await api.change("INSERT INTO genres (id, name, slug) VALUES ('1', 'Cooking', 'cooking')")

        assert {"name": "Cooking", "slug": "cooking"} in await api.show("/genres")
        assert {"name": "Cooking", "slug": "cooking"} in (await api.show("/filter-options"))[
            "genres"
        ]


class TestUncacheableRequests:
    async def test_for_missing_games_store_only_short_absences(self, api: ObservedApi):
        # /by-genre shows the best sellers instead.
        await api.warm("/best-sellers")
        before = await api.keys()

        for path in JUNK:
            for number in range(5):
                await api.warm(path.format(number))

        left = await api.keys() - before
        assert len(left) == 5 * len(JUNK)
        for key in left:
            assert (await held(api, key)).endswith(b"|")
            assert await api.redis.pttl(key) <= 30_000

    async def test_for_rare_pages_store_nothing(self, api: ObservedApi):
        before = await api.keys()

        for path in RARE:
            for number in range(1, 5):
                await api.get(path.format(number))

        assert await api.keys() == before


class TestNewGame:
    async def test_is_not_shown_as_new_after_two_weeks(self, api: ObservedApi):
        ends = utc_now() + timedelta(seconds=3)
        ends = ends.replace(microsecond=ends.microsecond // 1000 * 1000)
        game = await make_game(api.db, title="Last Day", releaseDate=ends - timedelta(days=14))
        paths = [f"/{game}", "/slug/last-day", "/new", "/new-in-catalog", "?sort=newest"]
        await api.warm(*paths)
        assert utc_now() < ends, "the machine was too slow to see it"
        for path in paths:
            [shown] = [one for one in games_in(await api.show(path)) if one["id"] == game]
            assert shown["isNew"] is True

        await asyncio.sleep((ends - utc_now()).total_seconds())

        for path in paths:
            seen = [one["isNew"] for one in games_in(await api.show(path)) if one["id"] == game]
            assert True not in seen, path


async def held(api: ObservedApi, key: str) -> bytes:
    """Return the value of a key with the header before its payload."""
    value = await api.redis.get(key)
    assert isinstance(value, bytes)
    return value
