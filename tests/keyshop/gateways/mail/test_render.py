"""The text of mails."""

import msgspec
import pytest

from keyshop.gateways.mail.message import build_message
from keyshop.gateways.mail.render import TemplateBroken, render
from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret
from tests.keyshop.gateways.mail.mails import (
    KEY_TEXT,
    NOON,
    ORDER_VALUES,
    SENDER,
    VALUES,
    make_line,
    make_mail,
    make_order_mail,
)

TEMPLATES = ("welcome", "verification", "reset", "lock_notice")
ORDER_TEMPLATES = ("order_placed", "order_final", "order_waiting", "unit_refunded")


class TestRender:
    @pytest.mark.parametrize("template", TEMPLATES)
    def test_fills_every_template(self, template: str):
        rendered = render(make_mail(template=template))

        assert rendered.subject
        assert "\n" not in rendered.subject
        for written in (rendered.text, rendered.html):
            assert "{" not in written.replace("{ margin", "")
            assert VALUES["shop_url"] in written

    @pytest.mark.parametrize("template", ["welcome", "verification"])
    def test_shows_code_and_link(self, template: str):
        rendered = render(make_mail(template=template))

        assert VALUES["code"] in rendered.text
        assert f"\n{VALUES['link']}\n" in rendered.text
        assert VALUES["code"] in rendered.html
        assert f'<a href="{VALUES["link"].replace("&", "&amp;")}">' in rendered.html

    def test_welcomes_without_an_expired_code(self):
        rendered = render(make_mail(values={"code": "", "link": "", "minutes": ""}))

        assert rendered.subject == "Welcome"
        for written in (rendered.text, rendered.html):
            assert "account is ready" in written
            assert "minutes" not in written
            assert "open this link" not in written

    def test_escapes_values_in_html_and_not_in_text(self):
        rendered = render(make_mail())

        assert "Hello Ália <b> & Co," in rendered.text
        assert "Hello Ália &lt;b&gt; &amp; Co," in rendered.html

    def test_keeps_values_on_their_line(self):
        rendered = render(make_mail(values={"nickname": "Eve,\r\n\r\nyour account is closed"}))

        assert "Hello Eve, your account is closed," in rendered.text

    @pytest.mark.parametrize(
        "nickname", ["buy at evil.example", "https:evil", "x@evil", "//evil", "", " \n"]
    )
    def test_greets_without_a_nickname_that_looks_like_a_web_address(self, nickname: str):
        rendered = render(make_mail(values={"nickname": nickname}))

        assert rendered.text.startswith("Hello,\n")
        assert "evil" not in rendered.text + rendered.html

    def test_refuses_a_mail_that_lacks_a_value(self):
        lacking = {name: value for name, value in VALUES.items() if name != "code"}

        with pytest.raises(TemplateBroken, match="'code' is undefined"):
            render(msgspec.structs.replace(make_mail(), values=lacking))

    @pytest.mark.parametrize("template", ["goodbye", "../address", ""])
    def test_refuses_an_unknown_template(self, template: str):
        with pytest.raises(Invalid):
            render(make_mail(template=template))


class TestOrderMail:
    @pytest.mark.parametrize("template", ORDER_TEMPLATES)
    def test_names_order_games_and_seller(self, template: str):
        rendered = render(make_order_mail(template))

        assert "order 1a2b3c4d" in rendered.subject
        assert "\n" not in rendered.subject
        assert "2 x Witch Hunt: 30.00 EUR" in rendered.text
        assert "2 &times; <strong>Witch Hunt</strong>: 30.00 EUR" in rendered.html
        assert "\nGames & Keys Ltd\n1 Long Street\n12345 Town\nNo VAT is due.\n" in rendered.text
        assert "Games &amp; Keys Ltd" in rendered.html
        for written in (rendered.text, rendered.html):
            assert "{" not in written.replace("{ margin", "")
            assert ORDER_VALUES["shop_url"] in written
            assert "placed on 2026-06-15" in written

    @pytest.mark.parametrize("template", ORDER_TEMPLATES)
    def test_leaves_out_a_seller_that_is_not_set(self, template: str):
        unset = {"seller_name": "", "seller_address": "", "seller_vat_note": ""}

        rendered = render(
            msgspec.structs.replace(make_order_mail(template), values=ORDER_VALUES | unset)
        )

        assert rendered.text.endswith("\n\nhttps://shop.example\n")

    @pytest.mark.parametrize("template", ORDER_TEMPLATES)
    @pytest.mark.parametrize("name", ["title", "quantity", "amount", "refunded", "missing"])
    def test_is_refused_if_a_line_lacks_a_value(self, template: str, name: str):
        line = {key: value for key, value in make_line().items() if key != name}

        with pytest.raises(TemplateBroken, match=f"no attribute '{name}'") as refusal:
            render(msgspec.structs.replace(make_order_mail(template), lines=[line]))

        assert KEY_TEXT not in str(refusal.value)

    def test_shows_what_was_paid(self):
        rendered = render(make_order_mail("order_placed"))

        totals = "Subtotal: 30.00 EUR\nDiscount: -3.00 EUR\nTotal: 27.00 EUR\nOrder 1a2b3c4d"
        assert totals in rendered.text
        assert "Discount: &minus;3.00 EUR" in rendered.html
        without = render(make_order_mail("order_placed", discount=""))
        assert "Subtotal" not in without.text + without.html

    def test_says_that_the_order_was_refunded_in_part(self):
        mail = make_order_mail(refunded="13.50", line={"refunded": "1"})

        rendered = render(mail)

        assert rendered.subject == "The keys of your order 1a2b3c4d"
        for written in (rendered.text, rendered.html):
            assert "refunded in part: 13.50 EUR are on your balance again" in written
            assert "Refunded: 1 of 2" in written
            assert "Refunded: 13.50 EUR" in written

    @pytest.mark.parametrize(
        ("status", "subject"),
        [
            ("CANCELLED", "Your order 1a2b3c4d was cancelled"),
            ("FAILED", "Your order 1a2b3c4d was refunded"),
        ],
    )
    def test_says_that_the_whole_order_was_refunded(self, status: str, subject: str):
        mail = make_order_mail(status=status, refunded="27.00", line={"key_texts": []})

        rendered = render(mail)

        assert rendered.subject == subject
        for written in (rendered.text, rendered.html):
            assert "27.00 EUR are on your" in written
            assert "Here are your keys" not in written

    def test_of_a_refund_says_whether_a_key_was_lost(self):
        lost = render(make_order_mail("unit_refunded", refunded="15.00", is_revoked="yes"))
        never_delivered = render(make_order_mail("unit_refunded", refunded="15.00"))

        for lost_part, other in (
            (lost.text, never_delivered.text),
            (lost.html, never_delivered.html),
        ):
            assert "15.00 EUR are on your balance again" in lost_part
            assert "no longer yours to use" in lost_part
            assert "no longer yours to use" not in other

    @pytest.mark.parametrize(
        "key_text",
        [
            KEY_TEXT,
            "two  spaces\tand a tab",
            "-----BEGIN-----\nline & <line>\n\n-----END-----",
            "Ünïcode\u2028\x85 \U0001f511",
            "{{ nickname }} {% raw %}",
            "k" * 1990,
        ],
    )
    def test_never_changes_a_key(self, key_text: str):
        rendered = render(make_order_mail(line={"key_texts": [Secret(key_text)]}))

        assert "\n" + "\n".join("    " + row for row in key_text.split("\n")) in rendered.text
        escaped = key_text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert f">{escaped}</pre>" in rendered.html

    def test_keeps_a_long_key_through_its_encoding(self):
        key_text = "k" * 1990

        message = build_message(
            make_order_mail(line={"key_texts": [Secret(key_text)]}), sender=SENDER, now=NOON
        )

        for kind in ("plain", "html"):
            body = message.get_body((kind,))
            assert body is not None
            assert key_text in str(body.get_content())

    def test_indents_every_line_of_a_key_so_that_none_poses_as_the_shops_text(self):
        key_text = "AAAAA\nYour account is closed."

        rendered = render(make_order_mail(line={"key_texts": [Secret(key_text)]}))

        assert "\nYour account is closed." not in rendered.text
        assert "    Your account is closed." in rendered.text

    def test_keeps_a_title_on_its_line(self):
        rendered = render(make_order_mail(line={"title": "Witch\r\n\r\nBcc: eve@evil.example"}))

        assert "2 x Witch Bcc: eve@evil.example: 30.00 EUR" in rendered.text

    def test_is_printed_without_keys_address_and_values(self):
        mail = make_order_mail()

        for printed in (repr(mail), str(mail), f"{mail}", f"{mail.lines}", repr(make_mail())):
            assert KEY_TEXT not in printed
        assert repr(mail) == "Mail(id='order-1-final', template='order_final')"
        assert VALUES["code"] not in repr(make_mail())
