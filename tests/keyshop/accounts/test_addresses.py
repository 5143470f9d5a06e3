"""Which spellings are one mailbox, and which may become an account."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyshop.accounts.addresses import (
    displayed,
    normalise,
    parse_new_email,
    parse_sign_in_email,
    spellings,
)
from keyshop.accounts.errors import AccountInvalid

DOMAINS = [
    "gmail.com",
    "googlemail.com",
    "outlook.co.uk",
    "yahoo.de",
    "me.com",
    "ya.ru",
    "example.com",
    "bücher.example",
    "BÜCHER.Example",
    "xn--bcher-kva.example",
    "XN--e1afmkfd.xn--P1AI",
    "ｙahoo.com",  # noqa: RUF001 - of full width
]


def is_registrable(form: str) -> bool:
    """Test whether a new account can be stored in this form."""
    try:
        return parse_new_email(form) == form
    except AccountInvalid:
        return False


addresses = st.one_of(
    st.text(),
    st.builds("{}@{}".format, st.text(), st.sampled_from(DOMAINS)),
    st.builds(
        "{}@{}".format,
        st.text("ab.+-İKK \t", min_size=1, max_size=12),
        st.sampled_from(DOMAINS),
    ),
)


class TestNormalForm:
    @pytest.mark.parametrize(
        ("written", "stored"),
        [
            ("J.Doe+shop@Gmail.com", "jdoe@gmail.com"),
            ("jdoe@googlemail.com", "jdoe@gmail.com"),
            ("j..doe@gmail.com", "j..doe@gmail.com"),
            ("J.Doe+shop@Outlook.com", "j.doe@outlook.com"),
            ("J.Doe+shop@hotmail.co.uk", "j.doe@hotmail.co.uk"),
            ("J.Doe+shop@live.nl", "j.doe@live.nl"),
            ("J.Doe+shop@msn.com", "j.doe@msn.com"),
            ("J.Doe-shop@yahoo.com", "j.doe@yahoo.com"),
            ("J-Doe-shop@ymail.com", "j-doe-shop@ymail.com"),
            ("J.Doe+shop@yahoo.com", "j.doe+shop@yahoo.com"),
            ("J.Doe+shop@iCloud.com", "j.doe@icloud.com"),
            ("J.Doe+shop@me.com", "j.doe@me.com"),
            ("J.Doe+shop@ya.ru", "j.doe+shop@yandex.ru"),
            ("j.doe@yandex.kz", "j.doe@yandex.ru"),
            ("  J.Doe+shop@Example.COM ", "j.doe+shop@example.com"),
            ('"j@doe"@example.com', '"j@doe"@example.com'),
            ("+shop@gmail.com", ""),
            ("Kunde+x@Bücher.example", "kunde+x@xn--bcher-kva.example"),
            ("J.Doe+shop@ｇmail.com", "jdoe@gmail.com"),  # noqa: RUF001 - of full width
            ("unknown", ""),
            ("", ""),
        ],
    )
    def test_is_the_stored_form_of_earlier_accounts(self, written: str, stored: str) -> None:
        assert normalise(written) == stored

    @given(addresses)
    @example(". a@gmail.com")
    @example("\ud800@gmail.com")
    @example("vic-x-y@yahoo.com")
    @example(" A-b- c @Yahoo.de")
    @example("--@yahoo.de")
    @example("a-b-c@ｙahoo.com")  # noqa: RUF001 - of full width
    @example("a@ẞ.de")
    @example("a@xn--zzzzzz.com")
    @example("a@" + "ü" * 300)
    def test_is_its_own_normal_form(self, text: str) -> None:
        once = normalise(text)

        assert normalise(once) == once

    @given(addresses)
    @example("vic-x-y@yahoo.com")
    @example("Vic-x@yahoo.de")
    @example("Kunde@bücher.example")
    @example("kunde@xn--bcher-kva.example")
    def test_of_a_new_account_takes_no_spelling_from_an_older_one(self, text: str) -> None:
        forms = spellings(text)
        for number, form in enumerate(forms):
            if is_registrable(form):
                # An account stored in a form that follows makes the registration fail.
                assert set(forms[number:]) <= set(spellings(form))

    @given(addresses)
    def test_does_not_depend_on_case_and_blanks_in_ascii(self, text: str) -> None:
        if text.isascii():
            assert normalise(f" {text.upper()}\n") == normalise(text.lower())


class TestNewAddress:
    @given(addresses)
    @example("b.+x@hotmail.de")
    def test_is_ascii_and_normal_or_refused(self, text: str) -> None:
        try:
            taken = parse_new_email(text)
        except AccountInvalid:
            return

        assert taken.isascii()
        assert text.rpartition("@")[0].isascii()
        assert taken == normalise(text)
        assert parse_sign_in_email(text) == taken
        assert parse_new_email(taken) == taken

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "unknown",
            "@example.com",
            "alice@",
            "alice@localhost",
            "alice@example.c",
            "alice@-example.com",
            "alice@exa mple.com",
            "al ice@example.com",
            ".alice@example.com",
            "alice.@example.com",
            "al..ice@example.com",
            "+tag@gmail.com",
            "alice.+tag@outlook.com",
            "alice.+tag@me.com",
            "alice.-tag@yahoo.com",
            "erased-customer@Erased.Invalid",
            "alice@example.com\nBcc: bob@example.com",
            "alice@example.com\x00",
            "alice\x00@example.com",
            "аlice@example.com",  # noqa: RUF001 - a Cyrillic letter
            "alice@exаmple.com",  # noqa: RUF001 - and here
            "\u212aate@example.com",
            "alice＠example.com",  # noqa: RUF001 - of full width
            "a" * 65 + "@example.com",
            "alice@" + "a." * 130 + "com",
            "\ud800@example.com",
            "vic-x-y@yahoo.com",
            "a-b-c-d@ymail.com",
            "alice@xn--exmple-4nf.com",  # with a Cyrillic letter
            "älice@bücher.example",
            "alice@bü_cher.example",
            "alice@" + "ü" * 64 + ".example",
            "alice@" + "ü." * 124 + "de",
        ],
    )
    def test_is_refused_when_malformed_or_a_look_alike(self, text: str) -> None:
        with pytest.raises(AccountInvalid, match="Validation failed: email must"):
            parse_new_email(text)

    @pytest.mark.parametrize("text", ["a@b.co", "o'hara+x@xn--bcher-kva.example", "x@a.xn--p1ai"])
    def test_may_be_unusual_within_ascii(self, text: str) -> None:
        assert parse_new_email(text) == text


class TestSignInAddress:
    @given(addresses)
    def test_is_normal_and_storable_or_refused(self, text: str) -> None:
        try:
            found = parse_sign_in_email(text)
        except AccountInvalid:
            return

        assert found == normalise(text)
        assert "\x00" not in found
        assert found.encode().decode() == found

    def test_may_be_of_another_alphabet_as_before(self) -> None:
        assert parse_sign_in_email("Алиса@Пример.рф") == "алиса@xn--e1afmkfd.xn--p1ai"


class TestDisplayedAddress:
    @pytest.mark.parametrize(
        ("stored", "shown"),
        [
            ("kunde@xn--bcher-kva.example", "kunde@bücher.example"),
            ("kunde@mail.xn--e1afmkfd.xn--p1ai", "kunde@mail.пример.рф"),
            ("kunde@bücher.example", "kunde@bücher.example"),
            ("alice@example.com", "alice@example.com"),
            ("alice@xn--exmple-4nf.com", "alice@xn--exmple-4nf.com"),
            ("alice@xn--zzzzzz.com", "alice@xn--zzzzzz.com"),
            ("unknown", "unknown"),
        ],
    )
    def test_has_its_domain_decoded_unless_that_misleads(self, stored: str, shown: str) -> None:
        assert displayed(stored) == shown
