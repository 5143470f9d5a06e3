"""How long an answer stays true when no game changes, and which answers are cached."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.cache.families import CacheKey
from keyshop.kit.cache.protocol import Cache, Load, Loaded
from keyshop.kit.database.pool import Database
from keyshop.kit.envelope import encode_data, format_utc
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.list_collections import list_collections
from keyshop.storefront.list_games import (
    list_best_sellers,
    list_by_genre,
    list_new,
    list_new_in_catalogue,
    list_preorders,
    list_similar,
)
from keyshop.storefront.models import CatalogueFilter, Game
from keyshop.storefront.rules import (
    NEW_PERIOD,
    is_cacheable,
    is_cacheable_term,
    is_new,
    new_since,
    valid_until,
)
from keyshop.storefront.show_game import show_game, show_game_by_slug
from tests.factories.catalogue import make_catalogue_query
from tests.factories.games import NOON

MOMENT = timedelta(milliseconds=1)

moments = st.integers(-30_000_000, 30_000_000).map(lambda ms: NOON + ms * 100 * MOMENT)
releases = st.lists(
    st.one_of(
        moments,
        # At the limit, and as far away as a date can be.
        st.sampled_from(
            [NOON - NEW_PERIOD, NOON - NEW_PERIOD - MOMENT, NOON - NEW_PERIOD + MOMENT]
        ),
        st.sampled_from([datetime(9999, 12, 31, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]),
    ),
    max_size=8,
)


def shown(released: list[datetime], now: datetime, *, only_new: bool) -> list[Game]:
    """Return games with these release dates as a list shows them at the moment."""
    return [
        Game(
            id=str(place),
            title="A Game",
            slug="a-game",
            description="",
            short_description=None,
            price=Decimal("19.99"),
            currency="EUR",
            image="",
            images=[],
            in_stock=True,
            release_date=format_utc(date),
            metacritic_score=None,
            age_rating=None,
            multiplayer=False,
            activation_service=None,
            region=None,
            publisher=None,
            is_best_seller=False,
            is_new=is_new(date, now=now),
            is_preorder=False,
            platforms=[],
            genres=[],
            tags=[],
            categories=[],
        )
        for place, date in enumerate(released)
        if not only_new or date >= new_since(now)
    ]


class TestTrueUntil:
    @given(released=releases, only_new=st.booleans(), share=st.floats(0, 1))
    def test_is_the_last_time_without_a_change(
        self, released: list[datetime], only_new: bool, share: float
    ):
        games = shown(released, NOON, only_new=only_new)

        until = valid_until(games)

        if until is None:
            then = NOON + timedelta(days=3650 * share)
        else:
            assert until >= NOON
            then = NOON + (until - NOON) * share
            assert shown(released, until, only_new=only_new) == games
            assert shown(released, until + MOMENT, only_new=only_new) != games
        assert encode_data(shown(released, then, only_new=only_new)) == encode_data(games)


class RecordingCache:
    """A cache that stores nothing, and records the last answer that it would have stored."""

    last: Loaded | None = None

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        del key, now
        self.last = await load()
        return self.last.payload


Read = Callable[[Database, Cache, datetime], Awaitable[bytes]]

ANSWERS: dict[str, Read] = {
    "game": lambda db, cache, now: show_game_by_slug(db, cache, slug="apex-2", now=now),
    "best sellers": lambda db, cache, now: list_best_sellers(db, cache, genre=None, now=now),
    "best sellers of a genre": lambda db, cache, now: list_best_sellers(
        db, cache, genre="racing", now=now
    ),
    "genre": lambda db, cache, now: list_by_genre(db, cache, genre="racing", now=now),
    "new in the catalogue": lambda db, cache, now: list_new_in_catalogue(db, cache, now=now),
    "new": lambda db, cache, now: list_new(db, cache, now=now),
    "preorders": lambda db, cache, now: list_preorders(db, cache, now=now),
    "collections": lambda db, cache, now: list_collections(db, cache, now=now),
    "catalogue": lambda db, cache, now: browse_catalogue(
        db, cache, make_catalogue_query(), now=now
    ),
}


class TestAnswer:
    @pytest.mark.parametrize("read", ANSWERS.values(), ids=ANSWERS.keys())
    async def test_is_kept_until_a_game_in_it_is_no_longer_new(self, stocked: Database, read: Read):
        # Between two releases, and at the end of the period of a new game.
        for now in (NOON - timedelta(days=1.5), NOON, NOON + timedelta(days=0.5)):
            recording = RecordingCache()
            first = await read(stocked, recording, now)
            assert recording.last is not None
            until = recording.last.valid_until
            assert until is not None

            assert await read(stocked, recording, until) == first
            assert await read(stocked, recording, until + MOMENT) != first

    async def test_of_an_old_game_is_kept_for_ever(self, stocked: Database, ids: dict[str, str]):
        recording = RecordingCache()

        await show_game(stocked, recording, game_id=ids["Old Dragon"], now=NOON)

        assert recording.last is not None
        assert recording.last.valid_until is None

    async def test_of_similar_games_is_kept_until_one_of_them_is_no_longer_new(
        self, stocked: Database, ids: dict[str, str]
    ):
        recording = RecordingCache()

        await list_similar(stocked, recording, game_id=ids["Apex Zero"], count=10, now=NOON)

        assert recording.last is not None
        assert recording.last.valid_until == NOON


class TestPages:
    @pytest.mark.parametrize(
        ("wanted", "page"),
        [
            (CatalogueFilter(), 1),
            (CatalogueFilter(), 10),
            (CatalogueFilter(in_stock_only=True), 1),
            (CatalogueFilter(in_stock_only=True, genres=["action"]), 3),
            (CatalogueFilter(platforms=["steam"]), 1),
        ],
    )
    def test_that_most_visits_read_are_cached(self, wanted: CatalogueFilter, page: int):
        assert is_cacheable(make_catalogue_query(wanted, page=page))

    @pytest.mark.parametrize(
        ("wanted", "page", "page_size"),
        [
            (CatalogueFilter(), 11, 36),
            (CatalogueFilter(), 1, 35),
            (CatalogueFilter(genres=["action"]), 4, 36),
            (CatalogueFilter(genres=["action", "rpg"]), 1, 36),
            (CatalogueFilter(genres=["action"], platforms=["steam"]), 1, 36),
            (CatalogueFilter(search="iron"), 1, 36),
            (CatalogueFilter(price_from=Decimal(1)), 1, 36),
            (CatalogueFilter(price_to=Decimal(1)), 1, 36),
            (CatalogueFilter(price_below=Decimal(1)), 1, 36),
            (CatalogueFilter(publishers=["Lamp"]), 1, 36),
            (CatalogueFilter(regions=["GLOBAL"]), 1, 36),
            (CatalogueFilter(activation_services=["Steam"]), 1, 36),
            (CatalogueFilter(multiplayer=True), 1, 36),
        ],
    )
    def test_that_are_rare_are_not(self, wanted: CatalogueFilter, page: int, page_size: int):
        assert not is_cacheable(make_catalogue_query(wanted, page=page, page_size=page_size))


class TestSuggestions:
    @pytest.mark.parametrize("term", ["ir", "iro"])
    def test_for_short_terms_are_cached(self, term: str):
        assert is_cacheable_term(term, limit=10)

    @pytest.mark.parametrize(
        ("term", "limit"),
        [("iron", 10), ("ir", 11), ("i\n", 10), ("éb", 10), ("i r", 10), ("IR", 10)],
    )
    def test_that_are_rare_are_not(self, term: str, limit: int):
        assert not is_cacheable_term(term, limit=limit)
