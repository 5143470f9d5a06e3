from datetime import timedelta

import pytest

from keyshop.kit.database.pool import Database
from keyshop.storefront.list_games import (
    list_best_sellers,
    list_by_genre,
    list_new,
    list_new_in_catalogue,
    list_preorders,
    list_random,
    list_similar,
)
from tests.factories.games import NOON, make_game
from tests.keyshop.storefront.conftest import NO_CACHE, titles_of

Ids = dict[str, str]

POPULAR = [
    "Iron Dawn",
    "Dragon Oath",
    "Dragon Song",
    "Wider Plains",
    "Wide Plains",
    "Knots",
    "Blocks",
    "Smoke",
    "Rain",
    "Steel Iron",
    "Iron Dusk",
    "Iron Next",
    "Apex",
    "Apex 2",
    "Oath",
    "Fresh",
    "100% Orange",
    "Under_Score",
    "Ébène",
    "Ironclad",
    "Old Dragon",
    "Drift",
    "Apex Zero",
    "Later",
    "Quiet",
    "Ash",
    "Rust",
]


class TestBestSellers:
    async def test_come_first_and_are_followed_by_what_is_popular(self, stocked: Database):
        best = await titles_of(list_best_sellers(stocked, NO_CACHE, genre=None, now=NOON))

        sellers = ["Dragon Oath", "Smoke", "Iron Dusk"]
        assert best == sellers + [title for title in POPULAR if title not in sellers]

    async def test_are_the_same_at_every_call(self, stocked: Database):
        first = await list_best_sellers(stocked, NO_CACHE, genre=None, now=NOON)

        assert await list_best_sellers(stocked, NO_CACHE, genre=None, now=NOON) == first

    @pytest.mark.parametrize("genre", ["Action", "action", "ACTION"])
    async def test_of_a_genre_are_found_by_name_or_slug(self, stocked: Database, genre: str):
        best = await titles_of(list_best_sellers(stocked, NO_CACHE, genre=genre, now=NOON))

        assert best == ["Iron Dusk", "Iron Dawn", "Steel Iron", "Iron Next", "Ironclad", "Rust"]

    async def test_of_an_unknown_genre_are_none(self, stocked: Database):
        assert (
            await titles_of(list_best_sellers(stocked, NO_CACHE, genre="Cooking", now=NOON)) == []
        )

    async def test_are_thirty_at_most(self, db: Database, fresh_ids: Ids):
        for number in range(10):
            await make_game(db, title=f"Seller {number}", isBestSeller=True)

        assert len(await titles_of(list_best_sellers(db, NO_CACHE, genre=None, now=NOON))) == 30


class TestByGenre:
    @pytest.mark.parametrize("genre", ["Open World", "open world", "open-world", "OPEN-WORLD"])
    async def test_lists_what_is_popular_by_name_or_slug(self, stocked: Database, genre: str):
        found = await titles_of(list_by_genre(stocked, NO_CACHE, genre=genre, now=NOON))

        assert found == ["Wider Plains", "Wide Plains", "Steel Iron", "Oath"]

    async def test_lists_unrated_games_last(self, stocked: Database):
        assert await titles_of(list_by_genre(stocked, NO_CACHE, genre="Noir", now=NOON)) == [
            "Smoke",
            "Rain",
            "Ash",
        ]

    async def test_lists_best_sellers_when_the_genre_is_empty(self, stocked: Database):
        instead = await titles_of(list_by_genre(stocked, NO_CACHE, genre="Cooking", now=NOON))

        assert instead == await titles_of(
            list_best_sellers(stocked, NO_CACHE, genre=None, now=NOON)
        )


class TestNew:
    async def test_in_the_catalogue_is_what_came_out_in_two_weeks_or_will(self, stocked: Database):
        found = await titles_of(list_new_in_catalogue(stocked, NO_CACHE, now=NOON))

        assert found == [
            "Later",
            "Iron Next",
            "Drift",
            "Quiet",
            "Fresh",
            "Smoke",
            "Wider Plains",
            "Apex 2",
            "Apex",
        ]

    async def test_leaves_out_preorders(self, stocked: Database):
        found = await titles_of(list_new(stocked, NO_CACHE, now=NOON))

        assert found == ["Quiet", "Fresh", "Smoke", "Wider Plains", "Apex 2", "Apex"]

    async def test_ends_after_exactly_fourteen_days(self, stocked: Database):
        a_moment_later = NOON + timedelta(milliseconds=1)

        assert "Apex" not in await titles_of(list_new(stocked, NO_CACHE, now=a_moment_later))


class TestPreorders:
    async def test_are_in_stock_and_the_next_release_comes_first(self, stocked: Database):
        assert await titles_of(list_preorders(stocked, NO_CACHE, now=NOON)) == [
            "Drift",
            "Iron Next",
            "Later",
        ]


class TestRandom:
    async def test_chooses_different_games_that_are_in_stock(self, stocked: Database):
        chosen = await titles_of(list_random(stocked, count=10, now=NOON))

        assert len(set(chosen)) == 10
        assert set(chosen) <= set(POPULAR)

    async def test_gives_everything_when_asked_for_more(self, stocked: Database):
        assert sorted(await titles_of(list_random(stocked, count=50, now=NOON))) == sorted(POPULAR)

    async def test_does_not_always_choose_the_same(self, stocked: Database):
        chosen = [
            tuple(await titles_of(list_random(stocked, count=3, now=NOON))) for _ in range(10)
        ]

        assert len(set(chosen)) > 1


class TestSimilar:
    async def test_games_share_a_tag_and_most_in_common_comes_first(
        self, stocked: Database, ids: Ids
    ):
        found = await titles_of(
            list_similar(stocked, NO_CACHE, game_id=ids["Iron Dusk"], count=10, now=NOON)
        )

        # First a tag and a genre, then only a tag. One genre alone is not enough.
        assert found == ["Iron Dawn", "Dragon Oath", "Steel Iron", "Iron Next", "Oath", "Rain"]

    async def test_games_may_share_two_genres_instead_of_a_tag(self, db: Database, fresh_ids: Ids):
        await make_game(db, title="Twin", genres=["Action", "RPG"])

        found = await titles_of(
            list_similar(db, NO_CACHE, game_id=fresh_ids["Iron Dusk"], count=10, now=NOON)
        )

        assert found[5:] == ["Rain", "Twin"]

    async def test_games_are_no_more_than_asked_for(self, stocked: Database, ids: Ids):
        found = await titles_of(
            list_similar(stocked, NO_CACHE, game_id=ids["Iron Dusk"], count=2, now=NOON)
        )

        assert found == ["Iron Dawn", "Dragon Oath"]

    async def test_games_are_none_for_a_game_without_genres_or_tags(
        self, stocked: Database, ids: Ids
    ):
        assert (
            await titles_of(
                list_similar(stocked, NO_CACHE, game_id=ids["Quiet"], count=10, now=NOON)
            )
            == []
        )

    async def test_games_are_none_for_an_unknown_game(self, stocked: Database):
        assert (
            await titles_of(
                list_similar(stocked, NO_CACHE, game_id="no-such-game", count=10, now=NOON)
            )
            == []
        )
