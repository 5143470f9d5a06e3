"""A game whose price is NaN, which a numeric column allows."""

import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from keyshop.kit.database.pool import Database
from tests.factories.browsers import Person
from tests.factories.games import make_game

_LISTS = (
    "/api/games",
    "/api/games?inStockOnly=true",
    "/api/games?inStockOnly=false",
    "/api/games?sort=price-desc",
    "/api/games?sort=price-asc",
    "/api/games?sort=newest&pageSize=100",
    "/api/games?minPrice=1&maxPrice=99999",
    "/api/games?search=priceless",
    "/api/games/search?q=priceless",
    "/api/games/autocomplete?q=priceless",
    "/api/games/best-sellers",
    "/api/games/new",
    "/api/games/new-in-catalog",
    "/api/games/by-genre/Priceless",
    "/api/games/random?count=50",
    "/api/games/collections",
)


@pytest_asyncio.fixture
async def unpriced(stocked: Database):
    """A popular game with a price, which a test can take away."""
    game_id = await make_game(
        stocked,
        title="Priceless",
        slug="priceless",
        genres=["Priceless"],
        isBestSeller=True,
        userRating=Decimal("5.00"),
    )
    yield game_id
    async with stocked.transaction() as tx:
        await tx.execute("DELETE FROM games WHERE id = $1", game_id)
        await tx.execute("DELETE FROM genres WHERE name = 'Priceless'")


async def take_price(db: Database, game_id: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            """UPDATE games SET price = 'NaN', "originalPrice" = 'NaN', "userRating" = 'NaN'
                WHERE id = $1""",
            game_id,
        )


def read_strictly(answer: httpx2.Response) -> Any:
    """Return the JSON of the answer; NaN is none, whatever Python's parser says."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{answer.url} holds {word}, which is not JSON.")

    return json.loads(answer.content, parse_constant=refuse)


class TestGameWithoutAPrice:
    @pytest.mark.parametrize("path", _LISTS)
    async def test_is_in_no_list(self, guest: Person, stocked: Database, unpriced: str, path: str):
        await take_price(stocked, unpriced)

        answer = await guest.request("GET", path)

        assert answer.status_code == 200
        read_strictly(answer)
        assert unpriced not in answer.text

    async def test_is_not_counted(self, guest: Person, stocked: Database, unpriced: str):
        totals = []
        for query in ("", "?inStockOnly=true", "?search=priceless"):
            before = read_strictly(await guest.request("GET", f"/api/games{query}"))
            totals.append(before["data"]["total"])
        await take_price(stocked, unpriced)

        for query, total in zip(
            ("", "?inStockOnly=true", "?search=priceless"), totals, strict=True
        ):
            after = read_strictly(await guest.request("GET", f"/api/games{query}"))
            assert after["data"]["total"] == total - 1

    @pytest.mark.parametrize("path", ["/api/games/{}", "/api/games/slug/priceless"])
    async def test_is_not_found(
        self, guest: Person, stocked: Database, unpriced: str, path: str
    ) -> None:
        await take_price(stocked, unpriced)

        answer = await guest.request("GET", path.format(unpriced))

        assert answer.status_code == 404
        read_strictly(answer)

    async def test_cannot_enter_a_cart_or_a_wishlist(
        self, guest: Person, stocked: Database, unpriced: str
    ) -> None:
        await take_price(stocked, unpriced)

        for path in ("/api/cart", "/api/wishlist"):
            answer = await guest.request("POST", path, json={"gameId": unpriced})
            assert 400 <= answer.status_code < 500, path

    async def test_counts_nothing_in_a_cart_and_is_unavailable(
        self, guest: Person, stocked: Database, unpriced: str, games: list[str]
    ) -> None:
        await guest.put(unpriced, quantity=2)
        await guest.wish(unpriced)
        await guest.put(games[0])
        await take_price(stocked, unpriced)

        cart = read_strictly(await guest.request("GET", "/api/cart"))["data"]

        lines = {line["gameId"]: line["game"] for line in cart["items"]}
        assert (lines[unpriced]["inStock"], lines[unpriced]["price"]) == (False, 0)
        assert cart["total"] == lines[games[0]]["price"]
        (wish,) = read_strictly(await guest.request("GET", "/api/wishlist"))["data"]["items"]
        assert wish["inStock"] is False
