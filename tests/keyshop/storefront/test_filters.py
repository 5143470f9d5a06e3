from keyshop.kit.database.pool import Database
from keyshop.storefront.list_collections import list_collections
from keyshop.storefront.list_filters import list_filter_options, list_genres, list_platforms
from tests.factories.games import NOON, make_game
from tests.keyshop.storefront.conftest import NO_CACHE, data_of

Ids = dict[str, str]


class TestFilterOptions:
    async def test_hold_every_value_once_and_no_empty_one(self, db: Database, fresh_ids: Ids):
        await make_game(db, title="Here", region="EUROPE", activationService="Steam")
        await make_game(db, title="There", region="ASIA", activationService="Steam")
        await make_game(db, title="Nowhere", region="", activationService=None)

        options = await data_of(list_filter_options(db, NO_CACHE, now=NOON))

        assert options["regions"] == ["ASIA", "EUROPE"]
        assert options["activationServices"] == ["Steam"]
        assert sorted(options["publishers"]) == [
            "Foo, Inc.",
            "Lamp",
            "Northwind",
            "Pit Lane",
            "Prairie",
            "Solo",
            "Éditions du Nord",
        ]
        assert options["multiplayer"] == [True, False]
        assert options["genres"] == await data_of(list_genres(db, NO_CACHE, now=NOON))
        assert options["platforms"] == await data_of(list_platforms(db, NO_CACHE, now=NOON))

    async def test_of_an_empty_shop_are_empty(self, db: Database):
        assert await data_of(list_filter_options(db, NO_CACHE, now=NOON)) == {
            "genres": [],
            "platforms": [],
            "activationServices": [],
            "regions": [],
            "publishers": [],
            "multiplayer": [True, False],
        }


class TestGenresAndPlatforms:
    async def test_are_listed_by_name(self, stocked: Database):
        genres = await data_of(list_genres(stocked, NO_CACHE, now=NOON))

        assert [genre["name"] for genre in genres] == [
            "Action",
            "Noir",
            "Open World",
            "Puzzle",
            "RPG",
            "Racing",
        ]
        assert genres[2] == {"name": "Open World", "slug": "open-world"}
        assert await data_of(list_platforms(stocked, NO_CACHE, now=NOON)) == [
            {"name": "GOG.COM", "slug": "gog-com"},
            {"name": "Steam", "slug": "steam"},
        ]


class TestCollections:
    async def test_are_the_five_largest_genres_and_publishers(self, stocked: Database):
        found = await data_of(list_collections(stocked, NO_CACHE, now=NOON))

        assert [(one["id"], one["title"], one["type"], one["value"]) for one in found] == [
            ("genre-action", "Action", "genre", "action"),
            ("genre-rpg", "RPG", "genre", "rpg"),
            ("genre-open-world", "Open World", "genre", "open-world"),
            ("genre-noir", "Noir", "genre", "noir"),
            ("genre-racing", "Racing", "genre", "racing"),
            ("publisher-Northwind", "Northwind", "publisher", "Northwind"),
            ("publisher-Foo, Inc.", "Foo, Inc.", "publisher", "Foo, Inc."),
            ("publisher-Lamp", "Lamp", "publisher", "Lamp"),
            ("publisher-Pit Lane", "Pit Lane", "publisher", "Pit Lane"),
            ("publisher-Prairie", "Prairie", "publisher", "Prairie"),
        ]

    async def test_show_their_popular_games_that_are_in_stock(self, stocked: Database):
        found = {
            one["id"]: one for one in await data_of(list_collections(stocked, NO_CACHE, now=NOON))
        }

        assert [game["title"] for game in found["genre-action"]["games"]] == [
            "Iron Dawn",
            "Steel Iron",
            "Iron Dusk",
            "Iron Next",
            "Ironclad",
            "Rust",
        ]
        assert [game["title"] for game in found["publisher-Lamp"]["games"]] == [
            "Smoke",
            "Rain",
            "Ash",
        ]

    async def test_show_forty_games_at_most(self, db: Database):
        for number in range(45):
            await make_game(db, title=f"Copy {number}", genres=["Action"])

        [action] = await data_of(list_collections(db, NO_CACHE, now=NOON))

        assert len(action["games"]) == 40
