"""Personal data show their owner and their version."""

from decimal import Decimal

import msgspec
import pytest

from tests.consistency.answers import UNTRUE, read_answer
from tests.consistency.contents import (
    TITLED_GAME,
    count_of_lines,
    count_of_wishes,
    lines_of,
    mark_of,
    nickname_of,
    title_of,
    token_family_of,
    user_of,
    wishes_of,
)
from tests.consistency.keys import ABSENT, GAME_OF, PERSONAL, Family, Key, Kind, keys_of
from tests.consistency.sign_ins import SignIns
from tests.consistency.writers.person_rows import changed_lines

ALICE, BOB = 20, 21
GUEST = next(key.owner for key in PERSONAL if key.kind is Kind.GUEST)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def line(game: str, quantity: int = 1, **facts: object) -> dict[str, object]:
    shown = {"id": game, "title": "A Game", "price": Decimal("0.02"), "inStock": True} | facts
    return {"gameId": game, "quantity": quantity, "game": shown}


def cart(*lines: dict[str, object]) -> bytes:
    return _ENCODER.encode({"success": True, "data": {"items": lines, "total": 0}})


def wishlist(*lines: dict[str, object]) -> bytes:
    return _ENCODER.encode({"success": True, "data": lines})


def cart_of(owner: int, count: int) -> bytes:
    return cart(line(mark_of(owner)), *(line(game, n) for game, n in lines_of(count).items()))


def key_of(owner: int, family: Family) -> Key:
    return keys_of(owner)[family]


class TestCounters:
    @pytest.mark.parametrize("contents", [lines_of, wishes_of])
    def test_change_one_line_by_one_at_each_step(self, contents):
        steps = [(contents(count), contents(count + 1)) for count in range(3000)]

        assert all(len(changed_lines(old, new)) == 1 for old, new in steps)
        assert all(abs(sum(new.values()) - sum(old.values())) == 1 for old, new in steps)

    def test_encode_the_number_of_changes(self):
        assert all(count_of_lines(lines_of(count)) == count for count in range(3000))
        assert all(count_of_wishes(wishes_of(count)) == count for count in range(3000))


class TestReadAnswer:
    def test_finds_owner_and_version_of_a_cart(self):
        content = read_answer(key_of(ALICE, Family.CART), cart_of(ALICE, 77))

        assert (content.owners, content.version) == ({ALICE}, 77)

    def test_finds_the_other_owner_in_anothers_cart(self):
        content = read_answer(key_of(ALICE, Family.CART), cart_of(BOB, 77))

        assert content.owners == {BOB}

    def test_finds_nothing_in_a_cart_without_a_mark(self):
        content = read_answer(key_of(ALICE, Family.CART), cart())

        assert (content.owners, content.version) == (set(), ABSENT)

    def test_finds_even_versions_in_a_guests_cart(self):
        content = read_answer(key_of(GUEST, Family.GUEST_CART), cart_of(GUEST, 77))

        assert content.version == 154

    def test_finds_owner_and_version_of_a_wishlist(self):
        wishes = [line(mark_of(ALICE)), *map(line, wishes_of(77))]

        content = read_answer(key_of(ALICE, Family.WISHLIST), wishlist(*wishes))

        assert (content.owners, content.version) == ({ALICE}, 77)

    def test_finds_the_games_that_are_shown_with_their_versions(self):
        shop, titled = GAME_OF["chk-shop0"], GAME_OF[TITLED_GAME]
        lines = [
            line(shop.id, price=Decimal("1.20")),
            line(titled.id, title=title_of(5), inStock=False),
        ]

        content = read_answer(key_of(ALICE, Family.CART), cart(line(mark_of(ALICE)), *lines))

        assert content.games == [(shop.number, 120), (titled.number, 5)]

    def test_rejects_a_title_that_contradicts_the_stock(self):
        game = line(TITLED_GAME, title=title_of(5), inStock=True)

        content = read_answer(key_of(ALICE, Family.CART), cart(game))

        assert content.games == [(GAME_OF[TITLED_GAME].number, UNTRUE)]

    def test_finds_owner_and_version_of_a_profile(self):
        shown = {"id": user_of(ALICE), "nickname": nickname_of(ALICE, 70), "balance": 0.07}
        body = msgspec.json.encode({"success": True, "data": shown})

        content = read_answer(key_of(ALICE, Family.PROFILE), body)

        assert (content.owners, content.version) == ({ALICE}, 77)

    def test_finds_the_oldest_valid_sign_in(self):
        owner = next(key.owner for key in PERSONAL if key.family is Family.ACCESS)
        families = [token_family_of(owner, version) for version in (9, 8)]

        content = read_answer(
            key_of(owner, Family.ACCESS), msgspec.json.encode({"families": families})
        )

        assert (content.owners, content.version) == ({owner}, 8)


class TestSignIns:
    def test_try_the_next_ones_when_one_is_refused(self):
        sign_ins = SignIns("a secret of thirty-two characters")

        assert [sign_ins.guess(ALICE) for _ in range(3)] == [2, 3, 4]

    def test_begin_at_the_last_valid_one(self):
        sign_ins = SignIns("a secret of thirty-two characters")
        sign_ins.remember(ALICE, 9)

        assert [sign_ins.guess(ALICE) for _ in range(8)] == [9, 10, 11, 12, 13, 14, 9, 10]
