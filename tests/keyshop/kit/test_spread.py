"""An amount is spread over parts without a cent lost or made."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.money import cents
from keyshop.kit.spread import spread

amounts = st.decimals(min_value=0, max_value=1_000_000, places=2)
positive = st.decimals(min_value="0.01", max_value=10_000, places=2)
lines = st.lists(st.tuples(positive, st.integers(1, 99)), min_size=1, max_size=6)
percents = st.decimals(min_value="0.01", max_value=100, places=2)


class TestSpread:
    @given(lines=lines, percent=percents)
    def test_charges_all_units_of_a_discounted_order_exactly_its_total(self, lines, percent):
        prices = [price for price, quantity in lines for _ in range(quantity)]
        subtotal = sum(prices)
        total = subtotal - cents(subtotal * percent / 100)

        charged = spread(total, prices)

        assert sum(charged) == total
        assert all(0 <= part <= price for part, price in zip(charged, prices, strict=True))
        assert all(part.as_tuple().exponent == -2 for part in charged)

    @given(total=amounts, weights=st.lists(positive, min_size=1, max_size=100))
    def test_keeps_each_part_within_a_cent_of_its_exact_share(self, total, weights):
        parts = spread(total, weights)

        assert sum(parts) == total
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - total * weight / sum(weights)) < Decimal("0.010001")

    def test_gives_the_remaining_cents_to_the_first_of_equals(self):
        assert spread(Decimal("1.00"), [Decimal(5)] * 3) == [
            Decimal("0.34"), Decimal("0.33"), Decimal("0.33"),
        ]  # fmt: skip

    def test_gives_a_remaining_cent_to_the_part_that_lost_the_most(self):
        assert spread(Decimal("0.02"), [Decimal("0.01"), Decimal("0.02")]) == [
            Decimal("0.01"), Decimal("0.01"),
        ]  # fmt: skip

    def test_charges_the_free_game_of_an_order_nothing(self):
        assert spread(Decimal(7), [Decimal(0), Decimal(9)]) == [Decimal("0.00"), Decimal("7.00")]

    def test_spreads_nothing_over_free_games(self):
        assert spread(Decimal(0), [Decimal(0)] * 2) == [Decimal("0.00")] * 2
        assert spread(Decimal(0), []) == []

    @pytest.mark.parametrize(
        ("total", "weights"),
        [
            ("1", []),
            ("1", ["0", "0"]),
            ("-0.01", ["1"]),
            ("0.005", ["1"]),
            ("1", ["2", "-1"]),
            ("NaN", ["1"]),
            ("1", ["NaN"]),
        ],
    )
    def test_refuses_what_has_no_exact_parts(self, total, weights):
        with pytest.raises(ValueError, match=r"."):
            spread(Decimal(total), [Decimal(weight) for weight in weights])

    def test_refuses_an_endless_amount(self):
        with pytest.raises(OverflowError):
            spread(Decimal("Infinity"), [Decimal(1)])
