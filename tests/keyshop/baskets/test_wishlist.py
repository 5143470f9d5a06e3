"""The wishlist of one visitor."""

from datetime import timedelta
from decimal import Decimal

import pytest

from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.errors import AccountGone, BasketFull
from keyshop.baskets.models import Visitor
from keyshop.baskets.settings import BasketLimits
from keyshop.baskets.show_wishlist import show_user_wishlist, show_whether_wished, show_wishlist
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.storefront.errors import GameNotFound
from tests.factories.baskets import (
    LIMITS,
    NEW_VISITOR,
    NO_CACHE,
    change_game,
    count_rows,
    data_of,
    sell_out,
    wish,
    wishes_of,
)
from tests.factories.games import NOON, make_game
from tests.keyshop.baskets.test_cart import NO_GAMES


class TestWishlist:
    async def test_is_shown_flat_and_nested_in_both_shapes(self, db: Database, visitor: Visitor):
        game = await make_game(
            db,
            title="Iron Dawn",
            price=Decimal("19.90"),
            originalPrice=Decimal("39.99"),
            platforms=["Windows", "Linux"],
        )
        await wish(db, visitor, game)

        wishlist = await data_of(show_wishlist(db, NO_CACHE, visitor, now=NOON))
        array = await data_of(show_user_wishlist(db, NO_CACHE, visitor, now=NOON))

        shown = {
            "id": game,
            "title": "Iron Dawn",
            "slug": "iron-dawn",
            "image": "https://images.example/game.jpg",
            "price": 19.9,
            "inStock": True,
            "originalPrice": 39.99,
            "currency": "EUR",
            "platforms": ["Linux", "Windows"],
        }
        assert wishlist == {
            "items": [
                {**shown, "gameId": game, "game": shown, "addedAt": "2026-06-15T12:00:00.000Z"}
            ]
        }
        assert array == wishlist["items"]

    async def test_shows_what_was_added_last_first(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await wish(db, visitor, *games)

        assert await wishes_of(db, visitor) == games[::-1]

    async def test_follows_the_price_the_stock_and_the_title(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await wish(db, visitor, games[0])

        await change_game(db, games[0], "price = 5.55, \"inStock\" = false, title = 'New'")

        shown = (await data_of(show_user_wishlist(db, NO_CACHE, visitor, now=NOON)))[0]
        for game in (shown, shown["game"]):
            assert (game["price"], game["inStock"], game["title"]) == (5.55, False, "New")

    async def test_loses_a_game_that_is_deleted(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await wish(db, visitor, *games)

        async with db.transaction() as tx:
            await tx.execute("DELETE FROM games WHERE id = $1", games[0])

        assert await wishes_of(db, visitor) == games[:0:-1]

    async def test_of_a_visitor_without_basket_is_empty(self, db: Database, visitor: Visitor):
        for empty in (visitor, NEW_VISITOR):
            assert await data_of(show_wishlist(db, NO_CACHE, empty, now=NOON)) == {"items": []}
            assert await data_of(show_user_wishlist(db, NO_CACHE, empty, now=NOON)) == []


class TestIsWished:
    async def test_tests_whether_a_game_is_on_the_list(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await wish(db, visitor, games[0])

        for game, expected in ((games[0], True), (games[1], False), ("\0", False)):
            answer = await data_of(show_whether_wished(db, NO_CACHE, visitor, game, now=NOON))
            assert answer == {"inWishlist": expected}


class TestAddWish:
    async def test_may_be_repeated_and_keeps_its_place(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await wish(db, visitor, *games[:2])

        await add_wish(db, visitor, games[0], limits=LIMITS, now=NOON + timedelta(hours=1))

        assert await wishes_of(db, visitor) == [games[1], games[0]]

    async def test_takes_what_is_out_of_stock(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        await sell_out(db, games[0])

        await wish(db, visitor, games[0])

        assert await wishes_of(db, visitor) == [games[0]]

    @pytest.mark.parametrize("game", NO_GAMES)
    async def test_knows_nothing_of_games_that_do_not_exist(
        self, db: Database, visitor: Visitor, game: str
    ):
        before = await count_rows(db)

        with pytest.raises(GameNotFound, match="Game not found"):
            await wish(db, visitor, game)

        assert await count_rows(db) == before

    async def test_refuses_one_game_more_than_it_holds(
        self, db: Database, visitor: Visitor, games: list[str]
    ):
        limits = BasketLimits(max_wishes=2)
        await wish(db, visitor, *games[:2])

        with pytest.raises(BasketFull, match=r"at most 2 games\. Please remove one"):
            await add_wish(db, visitor, games[2], limits=limits, now=NOON)

        await add_wish(db, visitor, games[0], limits=limits, now=NOON)
        assert len(await wishes_of(db, visitor)) == 2

    async def test_takes_nothing_of_a_deleted_user(self, db: Database, games: list[str]):
        with pytest.raises(AccountGone):
            await wish(db, Visitor(user_id=new_id()), games[0])


class TestRemoveWish:
    async def test_may_be_repeated(self, db: Database, visitor: Visitor, games: list[str]):
        await wish(db, visitor, *games[:2])

        for _ in range(2):
            await remove_wish(db, visitor, games[0], now=NOON)

        assert await wishes_of(db, visitor) == [games[1]]

    @pytest.mark.parametrize("game", NO_GAMES)
    async def test_of_a_game_that_is_not_on_it_is_no_error(
        self, db: Database, visitor: Visitor, game: str
    ):
        await remove_wish(db, visitor, game, now=NOON)
