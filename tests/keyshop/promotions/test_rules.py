"""Which promo codes an order may use, and what they take off."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.promotions.errors import (
    BadCode,
    BadPercent,
    InvalidPromo,
    PromoNotActive,
    PromoNotValidNow,
    PromoUsedUp,
)
from keyshop.promotions.models import Promo
from keyshop.promotions.rules import (
    check_percent,
    check_usable,
    clean_code,
    discount,
    fold_code,
    new_code,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def promo(**changes: object) -> Promo:
    values = {
        "id": "promo", "code": "SALE10", "percent": Decimal(10), "max_uses": 5, "used_count": 4,
        "valid_from": NOON - DAY, "valid_until": NOON + DAY, "active": True,
    } | changes  # fmt: skip
    return Promo(**values)  # type: ignore[arg-type]


class TestUse:
    def test_is_possible_within_its_time_and_count(self):
        check_usable(promo(), now=NOON)
        check_usable(promo(max_uses=None, used_count=10**6), now=NOON)
        check_usable(promo(percent=Decimal(100)), now=NOON)

    def test_is_possible_in_the_first_and_the_last_moment(self):
        check_usable(promo(), now=NOON - DAY)
        check_usable(promo(), now=NOON + DAY)

    @pytest.mark.parametrize(
        ("changes", "refusal", "text"),
        [
            ({"active": False}, PromoNotActive, "Promo code is not active"),
            ({"valid_from": NOON + DAY / 2}, PromoNotValidNow, "is not valid at this time"),
            ({"valid_until": NOON - DAY / 2}, PromoNotValidNow, "is not valid at this time"),
            ({"used_count": 5}, PromoUsedUp, "has reached maximum uses"),
            ({"used_count": 9}, PromoUsedUp, "has reached maximum uses"),
            ({"max_uses": 0, "used_count": 0}, PromoUsedUp, "has reached maximum uses"),
            ({"percent": Decimal(0)}, InvalidPromo, "Invalid promo code"),
            ({"percent": Decimal(-5)}, InvalidPromo, "Invalid promo code"),
            ({"percent": Decimal("100.01")}, InvalidPromo, "Invalid promo code"),
            ({"percent": Decimal("NaN")}, InvalidPromo, "Invalid promo code"),
        ],
    )
    def test_is_refused_with_the_reason(self, changes, refusal, text):
        with pytest.raises(refusal, match=text):
            check_usable(promo(**changes), now=NOON)


class TestDiscount:
    @given(
        subtotal=st.decimals(0, 1_000_000, places=2),
        percent=st.decimals("0.01", 100, places=2),
    )
    def test_never_exceeds_the_subtotal_and_is_in_whole_cents(self, subtotal, percent):
        off = discount(subtotal, percent)

        assert 0 <= off <= subtotal
        assert abs(off - subtotal * percent / 100) <= Decimal("0.005")
        assert off.as_tuple().exponent == -2

    def test_rounds_half_a_cent_up(self):
        assert discount(Decimal("0.05"), Decimal(10)) == Decimal("0.01")
        assert discount(Decimal("0.04"), Decimal(10)) == Decimal("0.00")

    def test_of_a_hundred_percent_is_all(self):
        assert discount(Decimal("59.99"), Decimal(100)) == Decimal("59.99")

    @pytest.mark.parametrize("percent", ["0", "-1", "100.01", "10.005", "NaN", "Infinity"])
    def test_of_a_new_code_is_refused_if_impossible(self, percent):
        with pytest.raises(BadPercent):
            check_percent(Decimal(percent))

    def test_of_a_new_code_may_have_hundredths(self):
        check_percent(Decimal("12.55"))
        check_percent(Decimal(100))


class TestCode:
    def test_entered_with_spaces_is_the_same(self):
        assert clean_code("  sale10\n") == "sale10"
        assert fold_code(" sale10 ") == fold_code("SALE10")

    @pytest.mark.parametrize("text", [None, "", "   "])
    def test_left_empty_is_none(self, text):
        assert clean_code(text) is None
        assert fold_code(text) == ""

    @pytest.mark.parametrize("text", ["x" * 101, "SALE\0", "SALE\ud800", "a\nb"])
    def test_that_cannot_exist_is_invalid_and_no_error_of_the_database(self, text):
        with pytest.raises(InvalidPromo):
            clean_code(text)

    def test_is_created_in_capitals(self):
        assert new_code(" sale-10_x ") == "SALE-10_X"
        assert len(new_code("x" * 100)) == 100

    @pytest.mark.parametrize("text", ["", "x" * 101, "SALE 10", "SÄLE", "\u017fale", "10%", "a\0"])
    def test_is_not_created_with_characters_that_mislead(self, text):
        with pytest.raises(BadCode):
            new_code(text)
