"""What payment services wrote, without the customer's address and name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.accounts.redact import ERASED, redact_json, redact_text

NAMES = ["Alice", "Smith"]


class TestRedactedText:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("Top-up by alice@example.com", f"Top-up by {ERASED}"),
            ("<A.Lice+shop@Mail.Example>, paid", f"<{ERASED}>, paid"),
            ("Ünïcode@пример.example", ERASED),
            ("ALICE smith-jones", f"{ERASED} {ERASED}-jones"),
            ("malice by a blacksmith", "malice by a blacksmith"),
            ("Top-up of 12.30 EUR @ 10:00", "Top-up of 12.30 EUR @ 10:00"),
        ],
    )
    def test_has_no_address_and_no_name(self, text: str, left: str) -> None:
        assert redact_text(text, NAMES) == left

    def test_takes_a_name_literally(self) -> None:
        assert redact_text("O.(ren paid, Oxren paid", ["O.(ren"]) == f"{ERASED} paid, Oxren paid"


class TestRedactedJson:
    def test_keeps_ids_amounts_and_states(self) -> None:
        document = (
            '{"transactionId": "tx-1", "amount": 12.30, "big": 12345678901234567890123,'
            ' "status": "completed", "fees": [0.10, null, true]}'
        )

        assert redact_json(document, NAMES) == document

    @pytest.mark.parametrize(
        "document",
        [
            '{"email": "other@example.com"}',
            '{"payer": {"EMail_Address": "no-at-sign", "surname": "Jones"}}',
            '{"name": {"given": "Bob", "family": ["Jones", 7]}}',
            '{"cardholder": "B JONES", "phoneNumber": 4912345}',
            '{"note": "for Alice"}',
            '{"raw": "{\\"to\\": \\"x@y.example\\"}"}',
            '{"alice@example.com": 1}',
            '["alice@example.com"]',
            '"alice@example.com"',
        ],
    )
    def test_has_nothing_personal(self, document: str) -> None:
        left = redact_json(document, NAMES)

        for personal in ("@", "Jones", "JONES", "Bob", "Alice", "no-at-sign", "12345", "7"):
            assert personal not in left
        assert ERASED in left

    def test_keeps_the_digits_of_amounts_beside_what_it_removes(self) -> None:
        left = redact_json('{"email": "a@b.example", "amount": 12.30, "n": 0.1000}', NAMES)

        assert left == '{"email":"[erased]","amount":12.30,"n":0.1000}'

    def test_is_empty_if_it_is_nested_too_deeply_to_be_read(self) -> None:
        document = "[" * 5000 + '"alice@example.com"' + "]" * 5000

        assert redact_json(document, NAMES) == f'"{ERASED}"'

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.just("Paid by alice@example.com, Smith"),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
            max_leaves=12,
        )
    )
    def test_has_no_address_and_no_name_wherever_they_stand(self, value: object) -> None:
        left = redact_json(msgspec.json.encode(value).decode(), NAMES)

        assert "alice@" not in left
        assert "Smith" not in left
