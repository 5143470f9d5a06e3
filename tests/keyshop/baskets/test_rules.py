"""Decisions about carts and wishlists."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from keyshop.baskets.models import MigrationOutcome
from keyshop.baskets.owners import new_session_id
from keyshop.baskets.rules import (
    GuestLine,
    GuestWish,
    count_outcomes,
    is_session_id,
    may_be_game_id,
    migrate_lines,
    migrate_wishes,
)
from keyshop.baskets.settings import BasketLimits
from keyshop.kit.ids import new_id
from tests.factories.games import NOON

LIMITS = BasketLimits(max_quantity=9, max_lines=5, max_wishes=5)

lines = st.builds(
    GuestLine,
    game_id=st.uuids().map(str),
    title=st.just("A Game"),
    in_stock=st.booleans(),
    quantity=st.integers(1, 12),
    had=st.none() | st.integers(-2, 12),
    added_at=st.integers(0, 5).map(lambda hours: NOON + timedelta(hours=hours)),
)
wishes = st.builds(
    GuestWish,
    game_id=st.uuids().map(str),
    title=st.just("A Game"),
    had=st.booleans(),
    added_at=st.integers(0, 5).map(lambda hours: NOON + timedelta(hours=hours)),
)


class TestMigrateLines:
    @given(
        guest=st.lists(lines, max_size=8, unique_by=lambda line: line.game_id),
        others=st.integers(0, 7),
    )
    def test_says_of_each_line_once_what_becomes_of_it(self, guest: list[GuestLine], others: int):
        user_lines = others + sum(line.had is not None for line in guest)

        migrated = migrate_lines(guest, user_lines=user_lines, limits=LIMITS)

        by_game = {line.game_id: line for line in guest}
        assert sorted(by_game) == sorted(line.game_id for line in migrated)
        added = 0
        for line in migrated:
            was = by_game[line.game_id]
            had = max(0, was.had or 0)
            assert (line.reason is None) == (line.outcome is MigrationOutcome.MERGED)
            if line.outcome is MigrationOutcome.KEPT:
                assert line.quantity == was.quantity
                assert not was.in_stock or was.had is None
            else:
                assert was.in_stock
                assert line.quantity == max(had, min(LIMITS.max_quantity, had + was.quantity))
                assert (line.outcome is MigrationOutcome.MERGED) == (
                    line.quantity == had + was.quantity
                )
                added += was.had is None
        assert added == 0 or user_lines + added <= LIMITS.max_lines

    @given(guest=st.lists(lines, min_size=1, max_size=8, unique_by=lambda line: line.game_id))
    def test_uses_all_remaining_room(self, guest: list[GuestLine]):
        had = sum(line.had is not None for line in guest)

        migrated = migrate_lines(guest, user_lines=had, limits=LIMITS)

        new = {line.game_id for line in guest if line.in_stock and line.had is None}
        moved = {
            line.game_id for line in migrated if line.outcome is not MigrationOutcome.KEPT
        } & new
        assert len(moved) == min(len(new), max(0, LIMITS.max_lines - had))


class TestMigrateWishes:
    @given(
        guest=st.lists(wishes, max_size=8, unique_by=lambda wish: wish.game_id),
        others=st.integers(0, 7),
    )
    def test_says_of_each_wish_once_what_becomes_of_it(self, guest: list[GuestWish], others: int):
        had = {wish.game_id for wish in guest if wish.had}

        migrated = migrate_wishes(guest, user_wishes=others + len(had), limits=LIMITS)

        assert sorted(line.game_id for line in migrated) == sorted(w.game_id for w in guest)
        moved = {line.game_id for line in migrated if line.outcome is MigrationOutcome.MERGED}
        assert had <= moved
        room = max(0, LIMITS.max_wishes - others - len(had))
        assert len(moved - had) == min(room, len(guest) - len(had))
        counts = count_outcomes(migrated)
        assert (counts.merged, counts.kept) == (len(moved), len(guest) - len(moved))


class TestSessionId:
    def test_has_the_current_or_the_earlier_form_of_the_shop(self):
        assert is_session_id(new_session_id())
        assert is_session_id(new_id())

    @given(text=st.text(max_size=21))
    def test_is_never_short_enough_to_be_guessed(self, text: str):
        assert not is_session_id(text)

    def test_is_another_each_time(self):
        assert len({new_session_id() for _ in range(1000)}) == 1000


class TestGameId:
    @given(text=st.text(max_size=200))
    def test_may_be_any_text_that_postgresql_can_hold(self, text: str):
        assert may_be_game_id(text) == ("\0" not in text)
