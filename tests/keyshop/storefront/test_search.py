import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.database.pool import Database
from keyshop.storefront.errors import BadParameter
from keyshop.storefront.rules import relevance
from keyshop.storefront.search_games import search_games, suggest_games
from tests.factories.games import NOON, make_game
from tests.keyshop.storefront.conftest import NO_CACHE, data_of, titles_of

Ids = dict[str, str]


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            # A part of a title. Descriptions come after all names.
            ("iron", ["Iron Dawn", "Steel Iron", "Iron Dusk", "Iron Next", "Ironclad", "Quiet"]),
            ("IRON  d", ["Iron Dawn", "Iron Dusk"]),
            ("ash", ["Ash"]),
            # Two letters, and one at the beginning of a word.
            ("qu", ["Quiet"]),
            ("r", ["Rain", "Rust"]),
            # A part of a publisher's name.
            ("oo, in", ["Dragon Oath", "Dragon Song", "Oath", "Old Dragon"]),
            ("nord", ["Ébène"]),
            # The right letters, but not in a row.
            ("nori", []),
            # Wildcards of LIKE are literal.
            ("0% o", ["100% Orange"]),
            ("r_s", ["Under_Score"]),
            ("%", []),
            ("_", []),
            # A word of a description, but not a part of a word.
            ("bread", ["Fresh"]),
            ("brea", []),
            # Games that are sold out are not found.
            ("gone", []),
            ("no such thing", []),
            ("' OR true --", []),
        ],
    )
    async def test_finds_the_expected_games(self, stocked: Database, text: str, found: list[str]):
        assert await titles_of(search_games(stocked, text=text, now=NOON)) == found

    async def test_finds_fifty_games_at_most(self, db: Database):
        for number in range(60):
            await make_game(db, title=f"Copy {number}")

        assert len(await titles_of(search_games(db, text="copy", now=NOON))) == 50

    @pytest.mark.parametrize("text", ["", "   ", "x" * 201, "x" * 10_000])
    async def test_refuses_an_empty_and_a_too_long_text(self, stocked: Database, text: str):
        with pytest.raises(BadParameter):
            await search_games(stocked, text=text, now=NOON)


class TestSuggestions:
    @pytest.mark.parametrize(
        ("text", "suggested"),
        [
            (
                "iron",
                [
                    ("Iron Dusk", 1.0),  # begins with it, and sells best
                    ("Iron Dawn", 0.9),
                    ("Iron Next", 0.9),
                    ("Ironclad", 0.9),
                    ("Steel Iron", 0.7),
                    ("Quiet", 0.5),  # in the description
                ],
            ),
            ("Apex", [("Apex", 1.0), ("Apex 2", 0.95), ("Apex Zero", 0.9)]),
            ("oath", [("Oath", 1.0), ("Dragon Oath", 0.8)]),
            ("plains", [("Wider Plains", 0.75), ("Wide Plains", 0.7)]),
            ("smoke", [("Smoke", 1.0)]),
            ("northwind", []),
        ],
    )
    async def test_are_ordered_by_relevance_score(
        self, stocked: Database, text: str, suggested: list[tuple[str, float]]
    ):
        found = await data_of(suggest_games(stocked, NO_CACHE, text=text, limit=10, now=NOON))

        assert [(game["title"], game["relevanceScore"]) for game in found] == suggested

    async def test_hold_what_the_search_box_shows(self, stocked: Database, ids: Ids):
        [smoke] = await data_of(suggest_games(stocked, NO_CACHE, text="smoke", limit=10, now=NOON))

        assert list(smoke) == ["id", "title", "image", "slug", "relevanceScore"]
        assert smoke["id"] == ids["Smoke"]

    async def test_are_no_more_than_asked_for(self, stocked: Database):
        found = await titles_of(suggest_games(stocked, NO_CACHE, text="iron", limit=2, now=NOON))

        assert found == ["Iron Dusk", "Iron Dawn"]

    @pytest.mark.parametrize("text", ["", "a", " a ", "x" * 201])
    async def test_need_two_letters(self, stocked: Database, text: str):
        with pytest.raises(BadParameter):
            await suggest_games(stocked, NO_CACHE, text=text, limit=10, now=NOON)


class TestRelevance:
    @given(st.text(min_size=1), st.text(min_size=1), st.booleans(), st.booleans())
    def test_is_never_outside_its_range(self, term: str, title: str, best: bool, new: bool):
        assert 0.5 <= relevance(term, title, is_best_seller=best, is_marked_new=new) <= 1.0
