"""Domain names of other alphabets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.kit.domains import mixes_alphabets, to_ascii, to_unicode


class TestDomain:
    @pytest.mark.parametrize(
        ("written", "encoded"),
        [
            ("Bücher.Example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("straße.de", "xn--strae-oqa.de"),
            ("例え。jp", "xn--r8jz45g.jp"),
            ("Example.COM", "example.com"),
            ("bü_cher.example", "bü_cher.example"),
            ("\ud800.example", "\ud800.example"),
        ],
    )
    def test_is_encoded_as_the_dns_has_it(self, written: str, encoded: str) -> None:
        assert to_ascii(written) == encoded

    @given(st.text() | st.text("üß.aA-xn1я"))
    def test_has_one_encoded_form(self, text: str) -> None:
        encoded = to_ascii(text)

        assert to_ascii(encoded) == encoded
        if encoded.isascii() and not text.isascii():
            assert to_ascii(to_unicode(encoded)) == encoded

    @pytest.mark.parametrize(
        ("domain", "mixes"),
        [
            ("xn--exmple-4nf.com", True),
            ("p\u0430ypal.com", True),
            ("пример.com", False),
            ("bücher.example", False),
            ("日本tech.jp", False),
            ("example.com", False),
        ],
    )
    def test_of_two_alphabets_in_one_label_is_a_look_alike(self, domain: str, mixes: bool) -> None:
        assert mixes_alphabets(domain) is mixes
