"""Carts and wishlists of customers and guests over HTTP."""

import asyncio

import pytest
import pytest_asyncio

from keyshop.kit.database.pool import Database
from tests.factories.browsers import Person, message_of
from tests.factories.games import make_game

_GUEST_COOKIE = {"Path=/", "HttpOnly", "SameSite=lax", "Max-Age=86400"}


@pytest_asyncio.fixture(params=["alice", "guest"])
async def shopper(request: pytest.FixtureRequest, alice: Person, guest: Person) -> Person:
    """A customer in one run of the test, a guest in the other."""
    return alice if request.param == "alice" else guest


@pytest_asyncio.fixture
async def sold_out(stocked: Database):
    """A game that cannot be bought."""
    game_id = await make_game(stocked, title="Sold", slug="sold-everywhere", inStock=False)
    yield game_id
    async with stocked.transaction() as tx:
        await tx.execute("DELETE FROM games WHERE id = $1", game_id)


class TestCart:
    async def test_of_a_new_visitor_is_empty_and_stores_nothing(self, guest: Person):
        answer = await guest.request("GET", "/api/cart")

        assert answer.json() == {"success": True, "data": {"items": [], "total": 0}}
        assert "set-cookie" not in answer.headers

    async def test_shows_the_newest_item_first(self, shopper: Person, games: list[str]):
        await shopper.put(games[0])
        await shopper.put(games[1], quantity=2)

        cart = await shopper.get("/api/cart")

        assert [(line["gameId"], line["quantity"]) for line in cart["items"]] == [
            (games[1], 2),
            (games[0], 1),
        ]
        game = cart["items"][0]["game"]
        assert {"id", "title", "slug", "image", "price", "inStock"} <= set(game)
        assert isinstance(game["price"], int | float)
        assert cart["total"] == round(
            sum(line["quantity"] * line["game"]["price"] for line in cart["items"]), 2
        )

    async def test_adds_to_an_existing_item(self, shopper: Person, games: list[str]):
        await shopper.put(games[0], quantity=2)
        body = await shopper.do("POST", "/api/cart", {"gameId": games[0]})

        assert body == {"success": True, "message": "Item added to cart"}
        assert await shopper.cart() == {games[0]: 3}

    async def test_sums_quantities_that_are_added_in_parallel(
        self, shopper: Person, games: list[str]
    ):
        await shopper.put(games[0])
        await asyncio.gather(*(shopper.put(games[0]) for _ in range(9)))

        assert await shopper.cart() == {games[0]: 10}

    async def test_responds_to_an_addition_with_201(self, shopper: Person, games: list[str]):
        assert (
            await shopper.request("POST", "/api/cart", json={"gameId": games[0]})
        ).status_code == 201

    async def test_sets_another_quantity(self, shopper: Person, games: list[str]):
        await shopper.put(games[0])

        await shopper.do("PUT", f"/api/cart/{games[0]}", {"quantity": 5})

        assert await shopper.cart() == {games[0]: 5}

    @pytest.mark.parametrize("quantity", [0, -1, -(10**30)])
    async def test_removes_an_item_whose_quantity_is_zero_or_less(
        self, shopper, games, quantity: int
    ):
        await shopper.put(*games[:2])

        await shopper.do("PUT", f"/api/cart/{games[0]}", {"quantity": quantity})

        assert await shopper.cart() == {games[1]: 1}

    async def test_removes_an_item_more_than_once_without_an_error(self, shopper, games):
        await shopper.put(*games[:2])

        for _ in range(2):
            body = await shopper.do("DELETE", f"/api/cart/{games[0]}")

        assert set(body) == {"success", "message"}
        assert await shopper.cart() == {games[1]: 1}

    async def test_is_cleared_more_than_once_without_an_error(self, shopper, games):
        await shopper.put(*games[:2])

        for _ in range(2):
            body = await shopper.do("DELETE", "/api/cart")

        assert body == {"success": True, "message": "Cart cleared"}
        assert await shopper.cart() == {}

    @pytest.mark.parametrize("quantity", ["2", True, 1.5, 2.0, None, [], {}, "1e2"], ids=repr)
    async def test_refuses_a_quantity_that_is_not_a_number(self, shopper, games, quantity):
        await shopper.put(games[0])

        for answer in (
            await shopper.request(
                "POST", "/api/cart", json={"gameId": games[0], "quantity": quantity}
            ),
            await shopper.request("PUT", f"/api/cart/{games[0]}", json={"quantity": quantity}),
        ):
            assert answer.status_code == 400
            assert message_of(answer) == "Quantity must be a whole number"
        assert await shopper.cart() == {games[0]: 1}

    @pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "9" * 5_000, "0x10", "01"])
    async def test_refuses_an_overflowing_or_malformed_number(self, shopper, games, number: str):
        body = f'{{"gameId": "{games[0]}", "quantity": {number}}}'

        answer = await shopper.request("POST", "/api/cart", content=body)

        assert answer.status_code == 400
        assert await shopper.cart() == {}

    @pytest.mark.parametrize("quantity", [0, -1, 100, 10**30])
    async def test_refuses_to_add_an_invalid_quantity(self, shopper, games, quantity: int):
        answer = await shopper.request(
            "POST", "/api/cart", json={"gameId": games[0], "quantity": quantity}
        )

        assert answer.status_code == 400
        assert message_of(answer)
        assert await shopper.cart() == {}

    @pytest.mark.parametrize("given", [{}, {"gameId": ""}, {"gameId": 1}, {"gameId": None}, []])
    async def test_refuses_to_add_without_a_game(self, shopper: Person, given):
        answer = await shopper.request("POST", "/api/cart", json=given)

        assert answer.status_code == 400
        assert message_of(answer) == "Game ID is required"

    @pytest.mark.parametrize("game_id", ["unknown", "x" * 5_000, "\U0001f3ae", "' OR 1=1 --"])
    async def test_refuses_games_that_do_not_exist(self, shopper: Person, game_id: str):
        answer = await shopper.request("POST", "/api/cart", json={"gameId": game_id})

        assert answer.status_code == 404
        assert message_of(answer) == "Game not found"

    async def test_refuses_a_game_that_is_out_of_stock(self, shopper: Person, sold_out: str):
        answer = await shopper.request("POST", "/api/cart", json={"gameId": sold_out})

        assert answer.status_code == 400
        assert message_of(answer) == "Game is out of stock"

    async def test_refuses_to_change_an_item_that_was_never_added(self, shopper, games):
        answer = await shopper.request("PUT", f"/api/cart/{games[0]}", json={"quantity": 2})

        assert answer.status_code == 404


class TestWishlist:
    async def test_of_a_new_visitor_is_empty_and_stores_nothing(self, guest: Person):
        answer = await guest.request("GET", "/api/wishlist")

        assert answer.json() == {"success": True, "data": {"items": []}}
        assert "set-cookie" not in answer.headers

    async def test_shows_the_newest_game_first(self, shopper: Person, games):
        await shopper.wish(games[0])
        await shopper.wish(games[1])

        shown = await shopper.get("/api/wishlist")

        assert [wish["gameId"] for wish in shown["items"]] == [games[1], games[0]]
        wish = shown["items"][0]
        assert {"id", "title", "slug", "image", "price", "inStock"} <= set(wish)
        assert {"id", "title", "slug", "image", "price", "inStock"} <= set(wish["game"])
        assert wish["addedAt"].endswith("Z")

    async def test_contains_a_game_once_however_often_it_is_added(self, shopper, games):
        for _ in range(2):
            answer = await shopper.request("POST", "/api/wishlist", json={"gameId": games[0]})
            assert answer.status_code == 201

        assert await shopper.wishlist() == {games[0]}

    async def test_checks_whether_a_game_is_on_it(self, shopper: Person, games):
        await shopper.wish(games[0])

        assert await shopper.get(f"/api/wishlist/{games[0]}/check") == {"inWishlist": True}
        assert await shopper.get(f"/api/wishlist/{games[1]}/check") == {"inWishlist": False}

    async def test_removes_a_game_more_than_once_without_an_error(self, shopper: Person, games):
        await shopper.wish(*games[:2])

        for _ in range(2):
            body = await shopper.do("DELETE", f"/api/wishlist/{games[0]}")

        assert set(body) == {"success", "message"}
        assert await shopper.wishlist() == {games[1]}

    @pytest.mark.parametrize("given", [{}, {"gameId": ""}, {"gameId": 1}, {"gameId": None}, []])
    async def test_refuses_to_add_without_a_game(self, shopper: Person, given):
        answer = await shopper.request("POST", "/api/wishlist", json=given)

        assert answer.status_code == 400
        assert message_of(answer) == "Game ID is required"

    async def test_refuses_games_that_do_not_exist(self, shopper: Person):
        answer = await shopper.request("POST", "/api/wishlist", json={"gameId": "unknown"})

        assert answer.status_code == 404
        assert message_of(answer) == "Game not found"


class TestUserWishlist:
    async def test_lists_the_same_games_with_their_fields_at_the_top_level(
        self, alice: Person, games
    ):
        await alice.do("POST", f"/api/user/wishlist/{games[0]}")

        assert await alice.get("/api/user/wishlist") == (await alice.get("/api/wishlist"))["items"]
        assert [wish["id"] for wish in await alice.get("/api/user/wishlist")] == [games[0]]

    async def test_shows_changes_at_the_other_path_at_once(self, alice: Person, games):
        await alice.wish(games[0])
        await alice.do("POST", f"/api/user/wishlist/{games[1]}")
        for _ in range(2):
            await alice.do("DELETE", f"/api/user/wishlist/{games[0]}")

        assert await alice.wishlist() == {games[1]}

    async def test_has_its_own_path_for_migration(self, app, alice: Person, games):
        # The path does not mean a game called "migrate".
        alice.take_session("0" * 32)

        body = await alice.do("POST", "/api/user/wishlist/migrate")

        assert body["message"] == "Wishlist migrated"


class TestGuestCookie:
    async def test_is_set_by_the_first_change_and_renewed_by_the_next(self, guest, games):
        first = await guest.request("POST", "/api/cart", json={"gameId": games[0]})
        second = await guest.request("POST", "/api/wishlist", json={"gameId": games[0]})

        name, *attributes = first.headers["set-cookie"].split("; ")
        assert set(attributes) == _GUEST_COOKIE
        assert second.headers["set-cookie"] == first.headers["set-cookie"]
        assert name == f"sessionId={guest.session}"

    async def test_is_only_set_for_guests(self, alice: Person, games):
        answer = await alice.request("POST", "/api/cart", json={"gameId": games[0]})

        assert "set-cookie" not in answer.headers

    async def test_is_not_set_when_nothing_was_removed(self, guest: Person, games):
        for answer in (
            await guest.request("DELETE", f"/api/cart/{games[0]}"),
            await guest.request("DELETE", "/api/cart"),
            await guest.request("DELETE", f"/api/wishlist/{games[0]}"),
        ):
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize(
        "cookie", ["0" * 32, "", "x", "x" * 5_000, "../..", '"', "a b", "\x01", "%00", "é" * 20]
    )
    async def test_with_an_unknown_or_malformed_id_is_replaced(
        self, guest: Person, games, cookie: str
    ):
        header = {"Cookie": f"theme=dark; sessionId={cookie}; other=1".encode()}
        empty = await guest.request("GET", "/api/cart", headers=header)

        answer = await guest.request("POST", "/api/cart", json={"gameId": games[0]}, headers=header)

        assert empty.json()["data"]["items"] == []
        assert answer.status_code == 201
        assert guest.session not in {None, cookie}
        assert await guest.cart() == {games[0]: 1}

    async def test_is_found_among_others(self, guest: Person, games):
        await guest.put(games[0])
        header = {"Cookie": f"a=1; b=sessionId=2;sessionId={guest.session} ;c"}
        guest.client.cookies.clear()

        shown = await guest.get("/api/cart", headers=header)

        assert [line["gameId"] for line in shown["items"]] == [games[0]]

    async def test_is_found_beside_a_malformed_one(self, guest: Person, games):
        await guest.put(games[0])
        ours = f"sessionId={guest.session}"
        guest.client.cookies.clear()

        for cookies in (f"sessionId=junk; {ours}", f"{ours}; sessionId=junk"):
            shown = await guest.get("/api/cart", headers={"Cookie": cookies})

            assert [line["gameId"] for line in shown["items"]] == [games[0]]
