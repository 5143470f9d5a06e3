from typing import Any

import pytest
from httpx2 import AsyncClient, Response

Json = dict[str, Any]

NAMED = ["genres", "platforms"]
LISTS = [
    "search?q=iron",
    "best-sellers",
    "best-sellers?genre=Action",
    "new-in-catalog",
    "preorders",
    "new",
    "by-genre/Open%20World",
    "by-genre/Cooking",
    "random",
    "random?count=3",
]


def titles(response: Response) -> list[str]:
    assert response.status_code == 200
    data = response.json()["data"]
    games = data["data"] if isinstance(data, dict) else data
    return [game["title"] for game in games]


async def game_of(client: AsyncClient, slug: str) -> Json:
    game: Json = (await client.get(f"/api/games/slug/{slug}")).json()["data"]
    return game


class TestEndpoints:
    @pytest.mark.parametrize("path", LISTS)
    async def test_list_games(self, client: AsyncClient, path: str):
        response = await client.get(f"/api/games/{path}")

        assert response.headers["content-type"] == "application/json"
        assert response.json()["success"] is True
        for game in response.json()["data"]:
            assert isinstance(game["price"], int | float)
            assert game.keys() >= {"id", "slug", "images", "platforms", "genres", "tags"}

    @pytest.mark.parametrize("path", NAMED)
    async def test_list_names(self, client: AsyncClient, path: str):
        data = (await client.get(f"/api/games/{path}")).json()["data"]

        assert data
        assert all(list(one) == ["name", "slug"] for one in data)

    async def test_page_the_catalogue(self, client: AsyncClient):
        response = await client.get("/api/games?inStockOnly=true&sort=popular&page=1&pageSize=36")

        data = response.json()["data"]
        assert list(data) == ["data", "total", "page", "pageSize", "totalPages"]
        assert (data["page"], data["pageSize"], data["totalPages"]) == (1, 36, 1)
        assert data["total"] == len(data["data"]) == 25
        assert data["data"][0]["title"] == "Iron Dawn"

    async def test_suggest(self, client: AsyncClient):
        [best, *_] = (await client.get("/api/games/autocomplete?q=iron")).json()["data"]

        assert list(best) == ["id", "title", "image", "slug", "relevanceScore"]

    async def test_give_filter_options(self, client: AsyncClient):
        options = (await client.get("/api/games/filter-options")).json()["data"]

        assert list(options) == [
            "genres",
            "platforms",
            "activationServices",
            "regions",
            "publishers",
            "multiplayer",
        ]

    async def test_give_collections(self, client: AsyncClient):
        [first, *_] = (await client.get("/api/games/collections")).json()["data"]

        assert list(first) == ["id", "title", "type", "value", "games"]

    async def test_show_a_game_by_id_and_by_slug(self, client: AsyncClient):
        game = await game_of(client, "iron-dawn")

        assert (await client.get(f"/api/games/{game['id']}")).json()["data"] == game

    async def test_list_similar_games(self, client: AsyncClient):
        game = await game_of(client, "iron-dusk")

        response = await client.get(f"/api/games/{game['id']}/similar?count=1")

        assert titles(response) == ["Iron Dawn"]

    async def test_return_404_for_a_game_that_does_not_exist(self, client: AsyncClient):
        for path in ("no-such-game", "slug/no-such-game"):
            response = await client.get(f"/api/games/{path}")

            assert response.status_code == 404
            assert response.json() == {"success": False, "error": {"message": "Game not found"}}

    async def test_show_the_game_whose_slug_is_similar(self, client: AsyncClient):
        response = await client.get("/api/games/slug/similar")

        assert response.json()["data"]["title"] == "Similar"


class TestWhatTheFrontendSends:
    async def test_several_values_joined_by_commas(self, client: AsyncClient):
        response = await client.get("/api/games?genres=noir,racing&sort=popular")

        assert titles(response) == ["Smoke", "Rain", "Apex", "Apex 2", "Apex Zero", "Ash"]

    async def test_several_values_as_repeated_keys(self, client: AsyncClient):
        joined = await client.get("/api/games?genres=noir,racing&sort=popular")

        repeated = await client.get("/api/games?genres=noir&genres=racing&sort=popular")

        assert titles(repeated) == titles(joined)

    @pytest.mark.parametrize(
        ("publishers", "number"),
        [
            ("Foo, Inc.", 4),
            ("Foo, Inc.,Lamp", 7),
            ("Lamp,Foo, Inc.", 7),
            ("Lamp,A, B & Co., Ltd,Foo, Inc.", 8),
        ],
    )
    async def test_a_publisher_whose_name_contains_a_comma(
        self, client: AsyncClient, publishers: str, number: int
    ):
        response = await client.get("/api/games", params={"publishers": publishers})

        assert len(titles(response)) == number

    @pytest.mark.parametrize("genre", ["Open World", "open world", "open-world"])
    async def test_a_genre_by_name_or_slug_in_any_case(self, client: AsyncClient, genre: str):
        response = await client.get("/api/games", params={"genres": genre, "sort": "popular"})

        assert titles(response) == ["Wider Plains", "Wide Plains", "Steel Iron", "Oath"]

    @pytest.mark.parametrize(
        ("query", "cheapest", "dearest"),
        [
            ("minPrice=9.99&maxPrice=10", "Ironclad", "Steel Iron"),
            ("pricePreset=under-10", "Apex Zero", "Ironclad"),
            ("pricePreset=10-25", "Steel Iron", "Rust"),
            ("pricePreset=25-50", "Iron Dusk", "Dragon Oath"),
            ("pricePreset=50-100", "Iron Dawn", "Iron Next"),
            # A preset overrides a range.
            ("pricePreset=50-100&minPrice=1&maxPrice=2", "Iron Dawn", "Iron Next"),
            # Half a range is ignored.
            ("minPrice=50", "Apex Zero", "Iron Next"),
            ("pricePreset=unheard-of", "Apex Zero", "Iron Next"),
        ],
    )
    async def test_a_range_of_prices(
        self, client: AsyncClient, query: str, cheapest: str, dearest: str
    ):
        found = titles(await client.get(f"/api/games?sort=price-asc&{query}"))

        assert (found[0], found[-1]) == (cheapest, dearest)

    @pytest.mark.parametrize(("query", "total"), [("true", 25), ("1", 25), ("false", 31)])
    async def test_only_what_is_in_stock(self, client: AsyncClient, query: str, total: int):
        response = await client.get(f"/api/games?inStockOnly={query}")

        assert response.json()["data"]["total"] == total

    async def test_an_unknown_order(self, client: AsyncClient):
        response = await client.get("/api/games?sort=best-sellers&pageSize=1")

        assert titles(response) == ["Similar"] or titles(response) == ["Iron Dawn"]

    async def test_a_path_with_api_twice(self, client: AsyncClient):
        assert (await client.get("/api/api/games/genres")).json() == (
            await client.get("/api/games/genres")
        ).json()


class TestInvalidParameters:
    @pytest.mark.parametrize(
        "path",
        [
            "?page=-1",
            "?page=0",
            "?page=abc",
            "?page=1.5",
            "?page=",
            "?pageSize=abc",
            "?minPrice=abc&maxPrice=1",
            "?minPrice=1&maxPrice=NaN",
            "?minPrice=-Infinity&maxPrice=1",
            "?minPrice=0&maxPrice=1." + "0" * 10_000,
            "?multiplayer=maybe",
            "?search=" + "x" * 10_000,
            "?publishers=" + "x," * 500,
            "/random?count=abc",
            "/no-such-game/similar?count=abc",
            "/autocomplete",
            "/autocomplete?q=a",
            "/autocomplete?q=iron&limit=0",
            "/autocomplete?q=iron&limit=21",
            "/autocomplete?q=iron&limit=abc",
            "/search",
            "/search?q=",
            "/search?q=%20",
            "/search?q=" + "x" * 10_000,
            "/search?q=a%00b",
            "?search=%00",
            "/best-sellers?genre=" + "x" * 10_000,
            "/by-genre/" + "x" * 1_000,
            "/slug/%00",
            "/%00",
        ],
    )
    async def test_are_refused_with_a_message(self, client: AsyncClient, path: str):
        response = await client.get(f"/api/games{path}")

        assert response.status_code == 400
        assert response.headers["content-type"] == "application/json"
        assert response.json()["success"] is False
        assert response.json()["error"]["message"].endswith((".", "required", "characters"))

    @pytest.mark.parametrize(
        ("path", "number"),
        [
            ("?pageSize=10000000", 31),
            ("?pageSize=0", 1),
            ("?pageSize=-5", 1),
            ("?page=1000000000000000000000000000000", 0),
            ("?page=5", 0),
            ("/random?count=0", 1),
            ("/random?count=-1", 1),
            ("/random?count=10000000000000000000000", 28),
            ("?minPrice=0&maxPrice=1e999999", 31),
            ("?minPrice=1e-20000&maxPrice=1e999999", 31),
            ("?minPrice=-5&maxPrice=0.99000000000000000001", 1),
            ("?unheard=of", 31),
            ("/search?q=%F0%9F%8E%AE", 0),
            ("/search?q=%FF%FE", 0),
            ("?genres=,,,", 31),
        ],
    )
    async def test_are_set_to_the_nearest_valid_value(
        self, client: AsyncClient, path: str, number: int
    ):
        assert len(titles(await client.get(f"/api/games{path}"))) == number
