import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import body_of
from keyshop.storefront.errors import GameNotFound
from keyshop.storefront.show_game import show_game, show_game_by_slug
from tests.factories.games import NOON, make_game
from tests.keyshop.storefront.conftest import NO_CACHE, data_of

FIELDS = [
    "id",
    "title",
    "slug",
    "description",
    "shortDescription",
    "price",
    "originalPrice",
    "discount",
    "currency",
    "image",
    "images",
    "inStock",
    "releaseDate",
    "metacriticScore",
    "userRating",
    "ageRating",
    "multiplayer",
    "activationService",
    "region",
    "publisher",
    "isBestSeller",
    "isNew",
    "isPreorder",
    "platforms",
    "genres",
    "tags",
    "categories",
]


class TestGame:
    async def test_has_every_field_in_the_frontends_order(self, db: Database):
        game_id = await make_game(
            db,
            title="Full",
            originalPrice=Decimal("29.99"),
            discount=33,
            userRating=Decimal("4.50"),
            images=["a", "b"],
            releaseDate=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
            platforms=["Steam", "GOG.COM"],
            genres=["RPG", "Action"],
            tags=["story"],
            categories=["Keys"],
        )

        game = await data_of(show_game(db, NO_CACHE, game_id=game_id, now=NOON))

        assert list(game) == FIELDS
        assert game["releaseDate"] == "2026-01-02T03:04:05.678Z"
        assert game["platforms"] == ["GOG.COM", "Steam"]
        assert game["genres"] == ["Action", "RPG"]
        assert (game["tags"], game["categories"]) == (["story"], ["Keys"])
        assert game["currency"] == "EUR"

    async def test_leaves_out_an_absent_original_price_discount_and_rating(self, db: Database):
        game_id = await make_game(db, originalPrice=Decimal(0), discount=0)

        game = await data_of(show_game(db, NO_CACHE, game_id=game_id, now=NOON))

        assert list(game) == [
            field for field in FIELDS if field not in {"originalPrice", "discount", "userRating"}
        ]

    async def test_reads_a_missing_list_as_an_empty_one(self, db: Database):
        game_id = await make_game(db, images=None)

        assert (await data_of(show_game(db, NO_CACHE, game_id=game_id, now=NOON)))["images"] == []

    @pytest.mark.parametrize("price", ["0.10", "19.90", "20.00", "99999999.99"])
    async def test_shows_the_price_exactly_as_stored_at_every_call(self, db: Database, price: str):
        game_id = await make_game(db, price=Decimal(price))

        answers = {await show_game(db, NO_CACHE, game_id=game_id, now=NOON) for _ in range(5)}

        [answer] = answers
        shown = json.loads(body_of(answer), parse_float=str)["data"]["price"]
        assert shown == price

    async def test_is_new_by_its_release_and_not_by_the_column(self, db: Database):
        game_id = await make_game(db, isNew=True, releaseDate=datetime(2020, 1, 1, tzinfo=UTC))

        assert (await data_of(show_game(db, NO_CACHE, game_id=game_id, now=NOON)))["isNew"] is False

    async def test_always_has_milliseconds_in_its_date(self, db: Database):
        game_id = await make_game(db, releaseDate=datetime(2020, 1, 1, tzinfo=UTC))

        game = await data_of(show_game(db, NO_CACHE, game_id=game_id, now=NOON))

        assert game["releaseDate"] == "2020-01-01T00:00:00.000Z"

    async def test_is_found_by_its_slug(self, stocked: Database, ids: dict[str, str]):
        by_slug = await show_game_by_slug(stocked, NO_CACHE, slug="iron-dawn", now=NOON)

        assert by_slug == await show_game(stocked, NO_CACHE, game_id=ids["Iron Dawn"], now=NOON)

    async def test_that_does_not_exist_is_not_found(self, stocked: Database):
        with pytest.raises(GameNotFound, match=r"^Game not found$"):
            await show_game(stocked, NO_CACHE, game_id="no-such-game", now=NOON)
        with pytest.raises(GameNotFound, match=r"^Game not found$"):
            await show_game_by_slug(stocked, NO_CACHE, slug="no-such-game", now=NOON)

    async def test_is_valid_json_with_success_first(self, stocked: Database, ids: dict[str, str]):
        answer = await show_game(stocked, NO_CACHE, game_id=ids["Rust"], now=NOON)

        assert list(msgspec.json.decode(body_of(answer))) == ["success", "data"]
