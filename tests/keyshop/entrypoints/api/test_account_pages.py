"""The pages behind mailed links, as a browser without scripts uses them."""

from html.parser import HTMLParser

import pytest

from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.kit.database.pool import Database
from tests.factories.browsers import Person
from tests.keyshop.entrypoints.api.test_accounts import mailed_token


class Form(HTMLParser):
    """The fields that a page's form would submit."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            assert attributes["method"] == "post"
            self.action = attributes["action"] or ""
        if tag == "input":
            self.fields[attributes["name"] or ""] = attributes.get("value") or ""


class TestVerificationPage:
    async def test_confirms_the_address_when_its_button_is_pressed(self, guest, alice, stocked):
        token = await mailed_token(stocked, alice, Purpose.VERIFY_EMAIL)
        page = await guest.client.get("/api/auth/verify-email", params={"token": token})
        form = Form(page.text)
        # Mail scanners only open the link.
        assert (await alice.get("/api/auth/me"))["emailVerified"] is False

        answer = await guest.client.post(form.action, data=form.fields)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert (await alice.get("/api/auth/me"))["emailVerified"] is True

    async def test_refuses_an_invalid_link(self, guest: Person):
        answer = await guest.client.post("/api/auth/pages/verify-email", data={"token": "x"})

        assert answer.status_code == 400
        assert "no longer valid" in answer.text


class TestResetPage:
    async def test_sets_the_password(self, guest, alice, stocked: Database):
        await guest.do("POST", "/api/auth/forgot-password", {"email": alice.email})
        token = await mailed_token(stocked, alice, Purpose.RESET_PASSWORD)
        page = await guest.client.get("/api/auth/reset-password", params={"token": token})
        form = Form(page.text)

        refused = await guest.client.post(form.action, data=form.fields | {"newPassword": "short"})
        again = Form(refused.text)
        done = await guest.client.post(
            again.action, data=again.fields | {"newPassword": "Another-Door-2"}
        )

        assert (refused.status_code, done.status_code) == (400, 200)
        assert "at least 8 characters" in refused.text
        assert (await guest.sign_in(alice.email, "Another-Door-2"))["user"]["id"] == alice.id


class TestForgotPasswordPage:
    async def test_sends_a_link_without_revealing_who_has_an_account(self, guest, alice):
        form = Form((await guest.client.get("/api/auth/forgot-password")).text)

        pages = [
            (await guest.client.post(form.action, data={"email": email})).text
            for email in (alice.email, "nobody@example.com")
        ]

        assert set(form.fields) == {"email"}
        assert "a password reset link has been sent" in pages[0]
        assert pages[0] == pages[1]

    async def test_shows_the_form_again_after_an_invalid_address(self, guest: Person):
        answer = await guest.client.post("/api/auth/pages/forgot-password", data={"email": "x"})

        assert answer.status_code == 400
        assert "email" in Form(answer.text).fields


class TestPages:
    @pytest.mark.parametrize("path", ["/api/auth/verify-email", "/api/auth/reset-password"])
    async def test_escape_the_token_and_send_no_referrer(self, guest: Person, path: str):
        token = "\"'><script>alert(1)</script>"

        page = await guest.client.get(path, params={"token": token})

        assert "<script" not in page.text
        assert Form(page.text).fields["token"] == token
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("page", ["verify-email", "reset-password", "forgot-password"])
    @pytest.mark.parametrize(
        "body",
        [b"", b"\xff\xfe", b"token=%FF%FE", b"token=%00", b"a=1&" * 50, b"{}", b"token"],
        ids=repr,
    )
    async def test_refuse_a_body_that_is_not_a_form(self, guest: Person, page: str, body: bytes):
        answer = await guest.client.post(f"/api/auth/pages/{page}", content=body)

        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/html")
