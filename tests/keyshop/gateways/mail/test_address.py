"""Addresses in settings and in mails."""

import pytest

from keyshop.gateways.mail.address import (
    Encryption,
    is_mail_address,
    is_utf8_mail_address,
    parse_sender,
    parse_smtp_url,
)
from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret


class TestSmtpUrl:
    def test_holds_account_host_port_and_encryption(self):
        address = parse_smtp_url("smtp://shop%40a.example:p%40ss%3Aw%2F@mail.example:2525")

        assert (address.host, address.port) == ("mail.example", 2525)
        assert (address.user, address.password) == ("shop@a.example", Secret("p@ss:w/"))

    @pytest.mark.parametrize(
        ("url", "encryption", "port"),
        [
            ("smtps://u:p@mail.example", Encryption.TLS, 465),
            ("smtp://mail.example", Encryption.IF_OFFERED, 25),
            ("smtp://mail.example?starttls=true", Encryption.STARTTLS, 587),
            ("smtp://mail.example/?starttls=false", Encryption.NONE, 25),
            ("smtp://u:p@mail.example?starttls=auto", Encryption.IF_OFFERED, 25),
            ("smtp://u:p@[::1]:1025", Encryption.IF_OFFERED, 1025),
        ],
    )
    def test_chooses_the_encryption(self, url: str, encryption: Encryption, port: int):
        address = parse_smtp_url(url)

        assert (address.encryption, address.port) == (encryption, port)

    def test_requires_encryption_for_a_password_unless_it_is_switched_off(self):
        assert parse_smtp_url("smtp://u:p@mail.example").encryption is Encryption.STARTTLS

    @pytest.mark.parametrize(
        "url",
        [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://u:hidden@mail.example:port",
            "smtp://u:hidden@mail.example:0",
            "smtp://u:hidden@mail.example/path",
            "smtp://u:hidden@mail.example?starttls=perhaps",
            "smtp://u:hidden@mail.example?tls=1",
            "smtps://u:hidden@mail.example?starttls=true",
        ],
    )
    def test_is_refused_with_a_sentence_that_holds_no_password(self, url: str):
        with pytest.raises(Invalid, match=r"^SMTP_URL: .*\.$") as refusal:
            parse_smtp_url(url)

        assert "hidden" not in str(refusal.value)

    @pytest.mark.parametrize(
        "url",
        [
            "smtp://mail.example:465",
            "SMTP://u:hidden@mail.example:0465/",
            "smtp://u:hidden@[::1]:465?starttls=true",
            "smtp://u:hidden@mail.example:465?starttls=false",
        ],
    )
    def test_names_smtps_for_its_port(self, url: str):
        with pytest.raises(Invalid, match=r"^SMTP_URL: .* write smtps:// for it\.$") as refusal:
            parse_smtp_url(url)

        assert "hidden" not in str(refusal.value)
        assert parse_smtp_url("smtps://mail.example:465").encryption is Encryption.TLS


class TestSender:
    def test_has_an_address_and_may_have_a_name(self):
        named = parse_sender("The Shop <shop@shop.example>")

        assert (named.display_name, named.addr_spec) == ("The Shop", "shop@shop.example")
        assert parse_sender("keyshop@localhost").domain == "localhost"
        assert parse_sender("shop@Bücher.example").addr_spec == "shop@xn--bcher-kva.example"

    @pytest.mark.parametrize("text", ["", "shop", "a@b, c@d", "x@y\r\nBcc: z@y", "a@@b", "é@b.com"])
    def test_is_refused_without_a_valid_address(self, text: str):
        with pytest.raises(Invalid, match="MAIL_FROM"):
            parse_sender(text)


class TestMailAddress:
    @pytest.mark.parametrize("text", ["a@b.co", "a.b+c@x-y.example", "o'neil@a.b", "a..b@c.de"])
    def test_needs_no_quoting(self, text: str):
        assert is_mail_address(text)

    @pytest.mark.parametrize(
        "text",
        ["", "a", "a@", "@b", "a b@c", "a@b\n", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a@b>", "a@b,c@d",
         "ä@b.de", "a@bücher.de", "a\x00@b", f"{'a' * 65}@b.de", f"a@{'b.' * 130}de"],
    )  # fmt: skip
    def test_is_nothing_else(self, text: str):
        assert not is_mail_address(text)

    @pytest.mark.parametrize("text", ["ä@b.de", "日本@b.de", "a.ä@b.de", "a@b.de"])
    def test_may_be_beyond_ascii_before_the_at_sign(self, text: str):
        assert is_utf8_mail_address(text)

    @pytest.mark.parametrize(
        "text",
        ["", "ä", "ä@", "ä b@c", "ä@bücher.de", "ä\u2028@b.de", "ä\ud800@b.de", "ä\xa0@b.de",
         "<ä@b>", f"{'ä' * 33}@b.de", "ä@b,c@d", "ä\r\nRCPT TO:<x>@y.de"],
    )  # fmt: skip
    def test_is_nothing_else_beyond_ascii(self, text: str):
        assert not is_utf8_mail_address(text)
