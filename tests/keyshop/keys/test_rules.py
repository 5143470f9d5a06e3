"""Which texts are keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.keys.errors import BadKeyText
from keyshop.keys.rules import clean_text, is_reference, make_reference, seal_context
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.sealing import KeyRing
from keyshop.kit.secrets import Secret


class TestText:
    def test_loses_the_white_space_around_it(self):
        assert clean_text(" AAAA-BBBB\r\n") == "AAAA-BBBB"

    def test_may_have_several_lines_and_foreign_letters(self):
        assert clean_text("user: ключ\ncode: 1234") == "user: ключ\ncode: 1234"

    def test_may_be_as_long_as_its_index_takes(self):
        assert len(clean_text("ä" * 1000)) == 1000

    @pytest.mark.parametrize(
        "text", ["", " \n", "x" * 2001, "ä" * 1001, "AA\0BB", "AA\ud800", "sealed:AAAA-BBBB"]
    )
    def test_that_cannot_be_a_key_is_refused_without_repeating_it(self, text):
        with pytest.raises(BadKeyText) as refused:
            clean_text(text)

        assert refused.value.__cause__ is None
        assert "AA" not in str(refused.value)
        assert str(refused.value).endswith(".")

    @given(st.text())
    def test_that_is_taken_can_be_stored_and_is_no_reference(self, text):
        try:
            taken = clean_text(text)
        except BadKeyText:
            return

        assert taken == clean_text(taken)
        assert 1 <= len(taken.encode()) <= 2000
        assert "\0" not in taken
        assert not is_reference(taken)


class TestReference:
    def test_to_the_vault_is_never_taken_for_a_key(self):
        assert is_reference(make_reference("a-vault-key"))
        assert make_reference("a-vault-key") == "sealed:a-vault-key"
        assert not is_reference("AAAA-BBBB")

    def test_context_differs_for_every_pair_of_key_and_game(self):
        assert seal_context("ab", "c") != seal_context("a", "bc")


class TestVault:
    def test_prints_no_key(self):
        vault = Vault(ring=KeyRing({1: b"k" * 32}, current=1), fingerprint_key=Secret("hush"))

        assert vault.storage is KeyStorage.SEALED
        assert "hush" not in repr(vault)
        assert "kkkk" not in repr(vault)
