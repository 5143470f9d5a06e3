"""A buyer's orders show their owner and their version."""

from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import msgspec
import pytest

from keyshop.kit.envelope import format_utc
from tests.consistency.answers import UNTRUE, observe, read_answer
from tests.consistency.contents import order_of, user_of
from tests.consistency.keys import ABSENT, FIRST_VERSION, PERSONAL, Family, Kind, keys_of
from tests.consistency.orders import KEY_MARK, KnownOrders, time_of_order
from tests.consistency.records import Answer
from tests.consistency.wallets import (
    CHANGE_ORDERS,
    KEY_PRICE,
    UNITS,
    holdings_of,
    step_after,
)

BUYER, OTHER, *_ = sorted({key.owner for key in PERSONAL if key.kind is Kind.BUYER})
FOREIGN = next(key.owner for key in PERSONAL if key.kind is Kind.FOREIGN_BUYER)
ORDER, ORDERS = keys_of(BUYER)[Family.ORDER], keys_of(BUYER)[Family.ORDERS]
NOW = datetime(2026, 11, 29, 12, 30, 15, 678_901, tzinfo=UTC)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def body(data: object) -> bytes:
    return _ENCODER.encode({"success": True, "data": data})


def order(owner: int, number: int, *, held: int = UNITS, text: str = "") -> dict[str, object]:
    """Return an order as the shop shows it."""
    refunded = UNITS - held
    return {
        "id": f"order {number} of {owner}",
        "userId": user_of(owner),
        "status": "COMPLETED" if held else "CANCELLED",
        "total": UNITS * KEY_PRICE,
        "createdAt": format_utc(time_of_order(NOW, number)),
        "items": [{"quantity": UNITS, "refunded": refunded}],
        "keys": [{"key": text, "revoked": place < refunded} for place in range(UNITS)],
    }


def orders_at(version: int, owner: int = BUYER) -> list[dict[str, object]]:
    """Return the orders of a buyer at the version, the newest first."""
    found = holdings_of(Kind.BUYER, version)
    made = [order(owner, number, held=0) for number in range(found.orders)]
    if made:
        made[-1] = order(owner, found.orders - 1, held=found.held)
    return made[::-1]


def last_change(version: int) -> int:
    """Return the newest version, up to this one, that changed orders."""
    while version > FIRST_VERSION and step_after(version - 1) not in CHANGE_ORDERS:
        version -= 1
    return version


class TestOrders:
    def test_show_the_version_that_changed_them_last(self):
        versions = range(FIRST_VERSION, 60)

        shown = [read_answer(ORDERS, body(orders_at(version))) for version in versions]

        assert [content.version for content in shown] == [last_change(each) for each in versions]
        assert shown[-1].owners == {BUYER}

    def test_that_lack_one_are_untrue(self):
        shown = orders_at(30)
        del shown[2]

        assert read_answer(ORDERS, body(shown)).version == UNTRUE

    def test_with_the_text_of_a_key_are_untrue(self):
        shown = [order(BUYER, 0, text=f"{KEY_MARK}-1")]

        assert read_answer(ORDERS, body(shown)).version == UNTRUE

    def test_of_which_an_older_one_is_not_refunded_are_untrue(self):
        shown = [order(BUYER, 1), order(BUYER, 0)]

        assert read_answer(ORDERS, body(shown)).version == UNTRUE

    def test_show_their_owner(self):
        observed = observe(ORDERS, body(orders_at(9, OTHER)))

        assert observed == [(Answer.ANOTHERS, ORDERS.number, OTHER)]


class TestOrder:
    @pytest.mark.parametrize(("held", "step"), [(2, 1), (1, 3)])
    def test_shows_the_version_that_changed_it_last(self, held, step):
        shown = order(BUYER, 7, held=held, text=f"{KEY_MARK}-1")

        assert observe(ORDER, body(shown)) == [
            (Answer.SHOWN, ORDER.number, FIRST_VERSION + 5 * 7 + step)
        ]

    def test_that_is_wholly_refunded_is_not_compared_with_later_orders(self):
        ((answer, key, _),) = observe(ORDER, body(order(BUYER, 7, held=0, text=f"{KEY_MARK}-1")))

        assert (answer, key) == (Answer.SHOWN, -1)

    def test_without_the_texts_of_its_keys_is_untrue(self):
        assert read_answer(ORDER, body(order(BUYER, 7))).version == UNTRUE

    def test_that_lacks_a_key_is_untrue(self):
        shown = order(BUYER, 7, text=f"{KEY_MARK}-1") | {"keys": []}

        assert read_answer(ORDER, body(shown)).version == UNTRUE

    def test_whose_status_contradicts_its_refunds_is_untrue(self):
        shown = order(BUYER, 7, held=1, text=f"{KEY_MARK}-1") | {"status": "CANCELLED"}

        assert read_answer(ORDER, body(shown)).version == UNTRUE

    def test_of_another_customer_shows_whose_it_is(self):
        observed = observe(ORDER, body(order(OTHER, 7, text=f"{KEY_MARK}-1")))

        assert observed == [(Answer.ANOTHERS, ORDER.number, OTHER)]

    @pytest.mark.parametrize("family", [Family.ORDER, Family.ORDERS])
    def test_of_a_foreign_program_has_its_version_in_its_total(self, family):
        shown = order(FOREIGN, 0) | {"total": Decimal("123.46"), "keys": []}
        data = [shown] if family is Family.ORDERS else shown

        assert read_answer(keys_of(FOREIGN)[family], body(data)) == ({FOREIGN}, 12346, [])

    def test_of_a_foreign_program_may_be_gone(self):
        assert read_answer(keys_of(FOREIGN)[Family.ORDERS], body([])).version == ABSENT


class TestKnownOrders:
    def test_are_the_newest_of_each_buyer(self):
        known = KnownOrders()
        known.remember(ORDERS, body([order(BUYER, 3), order(BUYER, 4), order(BUYER, 2)]))

        assert known.find(ORDER) == f"order 4 of {BUYER}"
        assert known.find(keys_of(OTHER)[Family.ORDER]) is None

    def test_are_chosen_of_other_buyers_too(self):
        known = KnownOrders()
        known.remember(ORDERS, body([order(BUYER, 3)]))
        assert known.choose_anothers(Random(1), ORDER) is None

        known.remember(keys_of(OTHER)[Family.ORDERS], body([order(OTHER, 5)]))

        assert known.choose_anothers(Random(1), ORDER) == f"order 5 of {OTHER}"

    def test_of_a_foreign_program_have_one_id(self):
        assert KnownOrders().find(keys_of(FOREIGN)[Family.ORDER]) == order_of(FOREIGN)
