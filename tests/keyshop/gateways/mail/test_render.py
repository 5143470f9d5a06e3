"""The text of mails."""

import msgspec
import pytest

from keyshop.gateways.mail.render import TemplateBroken, render
from keyshop.kit.errors import Invalid
from tests.keyshop.gateways.mail.mails import VALUES, make_mail

TEMPLATES = ("welcome", "verification", "reset", "lock_notice")


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
