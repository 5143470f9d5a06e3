"""Amounts are rounded once, half a cent upwards."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.money import cents

_AMOUNTS = st.decimals(min_value=0, max_value=10_000_000, places=6)


class TestCents:
    @pytest.mark.parametrize(
        ("amount", "rounded"),
        [("1.005", "1.01"), ("1.004999", "1.00"), ("2.675", "2.68"), ("0", "0.00"), ("7", "7.00")],
    )
    def test_rounds_half_a_cent_up(self, amount, rounded):
        assert str(cents(Decimal(amount))) == rounded

    @given(_AMOUNTS)
    def test_moves_no_amount_by_more_than_half_a_cent(self, amount):
        assert abs(cents(amount) - amount) <= Decimal("0.005")
        assert cents(amount).as_tuple().exponent == -2

    @given(_AMOUNTS)
    def test_changes_nothing_the_second_time(self, amount):
        assert cents(cents(amount)) == cents(amount)

    @given(_AMOUNTS, _AMOUNTS)
    def test_keeps_the_order_of_amounts(self, one, other):
        assert (cents(one) <= cents(other)) or one > other
