"""A sealed text is read only with its key, in its place."""

import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.errors import Conflict, Invalid
from keyshop.kit.sealing import KeyRing, SealBroken, Sealed, UnknownVersion, fingerprint
from keyshop.kit.secrets import Secret

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def written(version: object, key: bytes) -> str:
    return f"{version}:{b64encode(key).decode()}"


ring = KeyRing.parse([written(2, NEW), written(1, OLD)])


class TestSealing:
    @given(text=st.binary(max_size=3000), context=st.binary(max_size=100))
    def test_returns_every_text(self, text, context):
        assert ring.unseal(ring.seal(text, context=context), context=context) == text

    def test_seals_with_the_first_key_and_unseals_with_all(self):
        before = KeyRing.parse([written(1, OLD)]).seal(b"AAAA-BBBB", context=b"row")

        assert ring.seal(b"AAAA-BBBB", context=b"row").version == 2
        assert ring.unseal(before, context=b"row") == b"AAAA-BBBB"

    def test_seals_equal_texts_differently(self):
        assert ring.seal(b"same", context=b"row") != ring.seal(b"same", context=b"row")

    def test_hides_the_text(self):
        assert b"AAAA-BBBB" not in ring.seal(b"AAAA-BBBB", context=b"row").ciphertext

    def test_does_not_unseal_in_another_row(self):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row")

        with pytest.raises(SealBroken, match="version 2"):
            ring.unseal(sealed, context=b"other row")

    def test_does_not_unseal_with_another_key_of_the_same_version(self):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row")

        with pytest.raises(SealBroken):
            KeyRing({2: OLD}, current=2).unseal(sealed, context=b"row")

    def test_does_not_unseal_under_another_version(self):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row")

        with pytest.raises(SealBroken, match="version 1"):
            ring.unseal(Sealed(1, sealed.ciphertext), context=b"row")

    def test_names_the_version_that_is_missing(self):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row")

        with pytest.raises(UnknownVersion, match="no key of version 2"):
            KeyRing({1: OLD}, current=1).unseal(sealed, context=b"row")

    @given(st.data())
    def test_notices_every_changed_or_missing_byte(self, data):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row").ciphertext
        at = data.draw(st.integers(0, len(sealed) - 1))
        changed = data.draw(st.integers(1, 255))
        damaged = data.draw(
            st.sampled_from(
                [
                    sealed[:at],
                    sealed[at + 1 :],
                    sealed[:at] + bytes([sealed[at] ^ changed]) + sealed[at + 1 :],
                    sealed + bytes([changed]),
                ]
            )
        )

        with pytest.raises(SealBroken):
            ring.unseal(Sealed(2, damaged), context=b"row")

    def test_tells_nothing_of_keys_and_texts_in_errors_and_reprs(self):
        sealed = ring.seal(b"AAAA-BBBB", context=b"row")

        with pytest.raises(Conflict) as refused:
            ring.unseal(sealed, context=b"other row")

        assert "AAAA" not in str(refused.value)
        assert repr(ring) == "KeyRing(versions=[1, 2], current=2)"
        assert refused.value.__cause__ is None


class TestKeyRing:
    @pytest.mark.parametrize(
        ("keys", "fault"),
        [
            ([], "must have at least one key"),
            ([written(1, OLD), written(1, NEW)], "must have each version once"),
            ([written(1, OLD), written("01", NEW)], "must have each version once"),
            ([written(1, OLD[:31])], "with keys of 32 bytes"),
            ([written(1, OLD + b"x")], "with keys of 32 bytes"),
            ([written(0, OLD)], "from 1 to 2147483647"),
            ([written(2**31, OLD)], "from 1 to 2147483647"),
            ([written("²", OLD)], "version:base64"),
            ([written("-1", OLD)], "version:base64"),
            ([written("", OLD)], "version:base64"),
            (["1"], "version:base64"),
            (["1:ünsinn"], "version:base64"),
        ],
    )
    def test_refuses_a_wrong_list_of_keys_without_repeating_it(self, keys, fault):
        with pytest.raises(Invalid, match=f"^KEY_ENCRYPTION_KEYS: .*{re.escape(fault)}") as refused:
            KeyRing.parse(keys)

        assert all(key.partition(":")[2] not in str(refused.value) for key in keys if ":" in key)

    def test_refuses_a_current_key_that_it_does_not_hold(self):
        with pytest.raises(Invalid, match="the current key is missing"):
            KeyRing({1: OLD}, current=2)


class TestFingerprint:
    @given(st.text(), st.text())
    def test_is_equal_for_equal_texts_only(self, one, other):
        key = Secret("a secret of the shop")

        assert (fingerprint(key, one) == fingerprint(key, other)) == (one == other)

    def test_cannot_be_computed_without_the_key(self):
        assert fingerprint(Secret("one"), "AAAA") != fingerprint(Secret("other"), "AAAA")
