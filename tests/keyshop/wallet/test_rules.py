"""Which amounts are money."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.wallet.errors import BadAmount, BadCurrency, BadMethod, BalanceTooLarge
from keyshop.wallet.models import TopUpMethod
from keyshop.wallet.rules import (
    check_amount,
    check_currency,
    check_method,
    check_room,
    parse_amount,
)

decoder = msgspec.json.Decoder(float_hook=Decimal)


class TestAmount:
    @given(st.decimals("0.01", 1_000_000, places=2))
    def test_with_two_decimals_is_taken_exactly_as_it_was_sent(self, amount):
        sent = decoder.decode(f"{amount:f}")

        assert check_amount(sent) == amount
        assert parse_amount(f"{amount:f}") == amount

    @pytest.mark.parametrize(
        ("text", "amount"),
        [("1", "1.00"), ("50.5", "50.50"), ("1.100", "1.10"), ("5e1", "50.00"),
         ("0.01", "0.01"), ("1000000", "1000000.00"), ("1E+6", "1000000.00")],
    )  # fmt: skip
    def test_is_a_number_in_any_form_of_json(self, text, amount):
        taken = check_amount(decoder.decode(text))

        assert str(taken) == amount

    @pytest.mark.parametrize(
        "text",
        ["0", "-1", "0.001", "0.009", "1.005", "1000000.01", "1e7", "1e300", "1e-300", "true",
         "false", "null", '"5"', "[5]", "{}", "9" * 400, "0.01" + "0" * 300 + "1",
         "0.014999999999999999999999999999999999"],
    )  # fmt: skip
    def test_that_is_no_such_number_is_refused(self, text):
        with pytest.raises(BadAmount, match=r"between 0\.01 and 1000000 EUR, with at most two"):
            check_amount(decoder.decode(text))

    @pytest.mark.parametrize("value", [1.5, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")])
    def test_that_may_have_lost_something_or_is_no_number_is_refused(self, value):
        with pytest.raises(BadAmount):
            check_amount(value)

    @given(st.one_of(st.integers(), st.decimals(), st.floats(), st.text(), st.booleans()))
    def test_is_always_within_the_limits_and_in_whole_cents(self, value):
        try:
            taken = check_amount(value)
        except BadAmount:
            return

        assert taken == value
        assert Decimal("0.01") <= taken <= 1_000_000
        assert taken.as_tuple().exponent == -2

    @pytest.mark.parametrize(
        "text",
        ["", "0", "-5", "+5", "1,50", "1_000", "1e3", "5.", ".5", " 5", "\u0665", "NaN", "1.001"],
    )
    def test_typed_by_an_operator_is_refused_where_it_could_be_misread(self, text):
        with pytest.raises(BadAmount):
            parse_amount(text)


class TestTopUp:
    def test_takes_the_methods_of_the_storefront(self):
        assert [check_method(name) for name in ("trustly", "card", "klarna", "apple")] == list(
            TopUpMethod
        )

    @pytest.mark.parametrize("method", ["", "Card", "balance", None, 1, ["card"], {}])
    def test_refuses_other_methods(self, method):
        with pytest.raises(BadMethod):
            check_method(method)

    @pytest.mark.parametrize("currency", ["", "eur", "PLN", None, ["EUR"]])
    def test_refuses_other_currencies(self, currency):
        check_currency("EUR")
        with pytest.raises(BadCurrency, match=r"^Only EUR is accepted\.$"):
            check_currency(currency)

    def test_may_fill_the_balance_and_not_overfill_it(self):
        check_room(Decimal("999999.98"), pending=Decimal("0.01"), amount=Decimal("0.01"))
        with pytest.raises(BalanceTooLarge, match="may not exceed 1000000 EUR"):
            check_room(Decimal("999999.98"), pending=Decimal("0.02"), amount=Decimal("0.01"))

    def test_is_refused_while_the_balance_is_no_number(self):
        with pytest.raises(BalanceTooLarge):
            check_room(Decimal("NaN"), pending=Decimal(0), amount=Decimal(1))
