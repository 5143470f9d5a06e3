"""The cart of one visitor."""

from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from keyshop.accounts.erase_user import erase_user
from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.errors import (
    AccountGone,
    BadQuantity,
    BasketFull,
    GameOutOfStock,
    NotInCart,
)
from keyshop.baskets.migrate import migrate_part
from keyshop.baskets.models import Part, Visitor
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.settings import BasketLimits
from keyshop.baskets.show_cart import show_cart
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.storefront.errors import GameNotFound
from tests.factories.baskets import (
    BASKETS,
    LIMITS,
    NEW_VISITOR,
    NO_CACHE,
    cart_of,
    change_game,
    count_rows,
    data_of,
    make_user,
    put,
    sell_out,
)
from tests.factories.games import NOON, make_game

NO_GAMES = [
    "00000000-0000-4000-8000-000000000000",
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x" * 100_000,
    "' OR 1=1 --",
]


class TestCart:
    async def test_shows_every_field_that_the_frontend_reads(self, db: Database, visitor: Visitor):
        game = await make_game(
            db,
            title="Iron Dawn",
            price=Decimal("19.90"),
            originalPrice=Decimal("39.99"),
            platforms=["Windows", "Linux", "Mac"],
        )
        await put(db, visitor, game, quantity=3)

        cart = await data_of(show_cart(db, NO_CACHE, visitor, now=NOON))

        assert cart == {
            "items": [
                {
                    "gameId": game,
                    "quantity": 3,
                    "game": {
                        "id": game,
                        "title": "Iron Dawn",
                        "slug": "iron-dawn",
                        "image": "https://images.example/game.jpg",
                        "price": 19.9,
                        "inStock": True,
                        "originalPrice": 39.99,
                        "currency": "EUR",
                        "platforms": ["Linux", "Mac", "Windows"],
                    },
                }
            ],
            "total": 59.7,
        }

    async def test_of_a_game_with_null_lists_and_no_original_price_is_shown(
        self, db: Database, visitor: Visitor
    ):
        game = await make_game(db, images=None, originalPrice=Decimal(0))
        await put(db, visitor, game)

        cart = await data_of(show_cart(db, NO_CACHE, visitor, now=NOON))

        assert cart["items"][0]["game"]["platforms"] == []
        assert "originalPrice" not in cart["items"][0]["game"]

    async def test_adds_up_money_without_losing_a_cent(self, db: Database, visitor: Visitor):
        for price in ("1.10", "0.10", "0.20"):
            await put(db, visitor, await make_game(db, title=price, price=Decimal(price)))

        body = await show_cart(db, NO_CACHE, visitor, now=NOON)

        assert body.endswith(b'"total":1.40}}')

    async def test_shows_what_was_added_last_first(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, *games)
        await put(db, visitor, games[0])

        assert list(await cart_of(db, visitor)) == games[::-1]

    async def test_follows_the_price_the_stock_and_the_title(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0])

        await change_game(db, games[0], "price = 5.55, \"inStock\" = false, title = 'New'")

        cart = await data_of(show_cart(db, NO_CACHE, visitor, now=NOON))
        game = cart["items"][0]["game"]
        assert (game["price"], game["inStock"], game["title"]) == (5.55, False, "New")
        assert cart["total"] == 5.55

    async def test_loses_the_line_of_a_game_that_is_deleted(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0], games[1])

        async with db.transaction() as tx:
            await tx.execute("DELETE FROM games WHERE id = $1", games[0])

        assert await cart_of(db, visitor) == {games[1]: 1}

    async def test_does_not_show_lines_of_quantity_0_that_another_program_wrote(
        self, db: Database, alice: Visitor, games: list[str]
    ):
        await put(db, alice, *games[:2])
        async with db.transaction() as tx:
            await tx.execute('UPDATE cart_items SET quantity = -5 WHERE "gameId" = $1', games[0])

        assert await cart_of(db, alice) == {games[1]: 1}
        await put(db, alice, games[0], quantity=2)
        assert (await cart_of(db, alice))[games[0]] == 2

    async def test_of_a_visitor_without_basket_is_empty(self, db: Database, visitor: Visitor):
        for empty in (visitor, NEW_VISITOR):
            cart = await data_of(show_cart(db, NO_CACHE, empty, now=NOON))

            assert cart == {"items": [], "total": 0}


class TestAddToCart:
    async def test_adds_to_what_is_there(self, db: Database, visitor: Visitor, games: list[str]):
        await put(db, visitor, games[0], quantity=2)
        await put(db, visitor, games[0], quantity=3)

        assert await cart_of(db, visitor) == {games[0]: 5}

    @pytest.mark.parametrize("game", NO_GAMES)
    async def test_knows_nothing_of_games_that_do_not_exist(
        self, db: Database, visitor: Visitor, game: str
    ):
        before = await count_rows(db)

        with pytest.raises(GameNotFound, match="Game not found"):
            await put(db, visitor, game)

        assert await count_rows(db) == before

    async def test_refuses_what_is_out_of_stock_also_when_some_are_in_the_cart(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0])
        await sell_out(db, games[0], games[1])

        for game in games[:2]:
            with pytest.raises(GameOutOfStock, match="Game is out of stock"):
                await put(db, visitor, game)

        assert await cart_of(db, visitor) == {games[0]: 1}

    @pytest.mark.parametrize("quantity", [0, -1, -(10**30)])
    async def test_refuses_zero_and_negative_quantities(
        self, db: Database, visitor: Visitor, games: list[str], quantity: int
    ):
        with pytest.raises(BadQuantity, match="Quantity must be greater than 0"):
            await put(db, visitor, games[0], quantity=quantity)

    @pytest.mark.parametrize("quantity", [100, 2**31, 10**30])
    async def test_refuses_more_than_a_line_may_have(
        self, db: Database, visitor: Visitor, games: list[str], quantity: int
    ):
        with pytest.raises(BadQuantity, match="at most 99 keys"):
            await put(db, visitor, games[0], quantity=quantity)

    async def test_refuses_rather_than_cuts_what_goes_beyond(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0], quantity=98)

        with pytest.raises(
            BadQuantity, match=r"at most 99 keys of one game\. Yours already has 98"
        ):
            await put(db, visitor, games[0], quantity=2)

        await put(db, visitor, games[0])
        assert await cart_of(db, visitor) == {games[0]: 99}

    async def test_refuses_one_game_more_than_a_cart_holds(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        limits = BasketLimits(max_lines=3)
        await put(db, visitor, *games[:3])

        with pytest.raises(BasketFull, match=r"at most 3 different games\. Please remove one"):
            await add_to_cart(db, visitor, games[3], 1, limits=limits, now=NOON)

        await add_to_cart(db, visitor, games[0], 1, limits=limits, now=NOON)
        assert await cart_of(db, visitor) == {games[0]: 2, games[1]: 1, games[2]: 1}

    async def test_takes_nothing_of_a_deleted_user(self, db: Database, games: list[str]):
        with pytest.raises(AccountGone):
            await put(db, Visitor(user_id=new_id()), games[0])

    async def test_takes_nothing_of_an_erased_user(
        self, db: Database, alice: Visitor, games: list[str]
    ):
        assert alice.user_id is not None
        async with db.transaction() as tx:
            await erase_user(tx, user_id=alice.user_id, by="olga", now=NOON)

        # As in a request whose token was checked just before.
        with pytest.raises(AccountGone):
            await put(db, alice, games[0])

        assert (await count_rows(db))["cart_items"] == 0

    async def test_counts_no_lines_of_quantity_0_that_another_program_wrote(
        self, db: Database, alice: Visitor, guest: Visitor, games: list[str]
    ):
        limits = BasketLimits(max_lines=2)
        await put(db, alice, *games[:2])
        async with db.transaction() as tx:
            await tx.execute("UPDATE cart_items SET quantity = 0")

        await add_to_cart(db, alice, games[2], 1, limits=limits, now=NOON)
        await put(db, guest, games[1])
        assert alice.user_id is not None
        await migrate_part(
            db,
            replace(BASKETS, limits=limits),
            Part.CART,
            user_id=alice.user_id,
            session_id=guest.session_id,
            now=NOON,
        )

        assert await cart_of(db, alice) == {games[1]: 1, games[2]: 1}
        with pytest.raises(BasketFull):
            await add_to_cart(db, alice, games[0], 1, limits=limits, now=NOON)


class TestSetQuantity:
    async def test_says_how_many(self, db: Database, visitor: Visitor, games: list[str]):
        await put(db, visitor, *games[:2])

        await set_quantity(db, visitor, games[0], 99, limits=LIMITS, now=NOON)

        assert await cart_of(db, visitor) == {games[0]: 99, games[1]: 1}

    @pytest.mark.parametrize("quantity", [0, -7])
    async def test_of_none_removes_the_line(
        self, db: Database, visitor: Visitor, games: list[str], quantity: int
    ):
        await put(db, visitor, *games[:2])

        for _ in range(2):
            await set_quantity(db, visitor, games[0], quantity, limits=LIMITS, now=NOON)

        assert await cart_of(db, visitor) == {games[1]: 1}

    @pytest.mark.parametrize("game", NO_GAMES)
    async def test_needs_a_line(self, db: Database, visitor: Visitor, games: list[str], game: str):
        for absent in (game, games[0]):
            with pytest.raises(NotInCart, match="not found"):
                await set_quantity(db, visitor, absent, 1, limits=LIMITS, now=NOON)

        assert await cart_of(db, visitor) == {}

    async def test_refuses_more_than_a_line_may_have(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0])

        with pytest.raises(BadQuantity, match="at most 99 keys"):
            await set_quantity(db, visitor, games[0], 100, limits=LIMITS, now=NOON)

    async def test_allows_less_but_not_more_of_a_game_that_is_out_of_stock(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await put(db, visitor, games[0], quantity=5)
        await sell_out(db, games[0])

        await set_quantity(db, visitor, games[0], 3, limits=LIMITS, now=NOON)
        with pytest.raises(GameOutOfStock):
            await set_quantity(db, visitor, games[0], 4, limits=LIMITS, now=NOON)

        assert await cart_of(db, visitor) == {games[0]: 3}


class TestRemoveFromCart:
    async def test_may_be_repeated(self, db: Database, visitor: Visitor, games: list[str]):
        await put(db, visitor, *games[:2])

        for _ in range(2):
            await remove_from_cart(db, visitor, games[0], now=NOON)

        assert await cart_of(db, visitor) == {games[1]: 1}

    @pytest.mark.parametrize("game", NO_GAMES)
    async def test_of_a_game_that_is_not_in_it_is_no_error(
        self, db: Database, visitor: Visitor, game: str
    ):
        await remove_from_cart(db, visitor, game, now=NOON)


class TestClearCart:
    async def test_may_be_repeated(self, db: Database, visitor: Visitor, games: list[str]):
        await put(db, visitor, *games)

        for _ in range(2):
            await clear_cart(db, visitor, now=NOON + timedelta(hours=1))

        assert await cart_of(db, visitor) == {}

    async def test_leaves_other_carts_unchanged(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        bob = await make_user(db)
        await put(db, visitor, *games)
        await put(db, bob, *games)

        await clear_cart(db, visitor, now=NOON)

        assert len(await cart_of(db, bob)) == len(games)
