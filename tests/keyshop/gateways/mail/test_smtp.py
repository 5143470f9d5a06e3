"""Mails to servers that accept, refuse or fail."""

import asyncio
import ssl
import time
from datetime import timedelta

import pytest

from keyshop.gateways.mail.breaker import ServerUnreachable
from keyshop.gateways.mail.smtp import SmtpMailer
from keyshop.mail.protocol import MailRefused, MailUnavailable, MailUncertain
from tests.keyshop.gateways.mail.mail_server import (
    MailServer,
    client_tls,
    serve,
    serve_silence,
    server_tls,
)
from tests.keyshop.gateways.mail.mails import VALUES, mailer_at, make_mail


@pytest.fixture
def server() -> MailServer:
    return MailServer()


async def refusal_of(server: MailServer, kind: type[Exception]) -> str:
    """Send a mail to the server, which refuses it, and return the error's sentence."""
    async with serve(server) as port:
        with pytest.raises(kind) as refusal:
            await mailer_at(port).send(make_mail())
    assert server.mails == []
    assert "alice" not in str(refusal.value)
    return str(refusal.value)


class TestServerThatWorks:
    async def test_gets_a_mail_of_text_and_html(self, server: MailServer):
        async with serve(server) as port:
            await mailer_at(port).send(make_mail())

        (mail,) = server.mails
        text, page = mail.get_body(("plain",)), mail.get_body(("html",))
        assert text is not None
        assert page is not None
        assert server.recipients == ["alice@example.com"]
        assert mail["From"] == "Kéyshop <shop@shop.example>"
        assert "Hello Ália <b> & Co," in text.get_content()
        assert VALUES["link"] in text.get_content()
        assert "Ália &lt;b&gt; &amp; Co" in page.get_content()
        assert mail["Auto-Submitted"] == "auto-generated"

    @pytest.mark.parametrize("to", ["kunde@bücher.example", "kunde@xn--bcher-kva.example"])
    async def test_gets_an_internationalised_domain_as_it_knows_it(
        self, server: MailServer, to: str
    ):
        async with serve(server) as port:
            await mailer_at(port).send(make_mail(to=to))

        assert server.recipients == ["kunde@xn--bcher-kva.example"]
        assert server.mails[0]["To"] == "kunde@xn--bcher-kva.example"
        assert server.options == [[]]

    async def test_gets_a_name_beyond_ascii_if_it_offers_that(self, server: MailServer):
        async with serve(server, smtputf8=True) as port:
            await mailer_at(port).send(make_mail(to="jürgen@bücher.example"))
            await mailer_at(port).send(make_mail())

        assert server.recipients == ["jürgen@xn--bcher-kva.example", "alice@example.com"]
        assert server.mails[0]["To"] == "jürgen@xn--bcher-kva.example"
        text = server.mails[0].get_body(("plain",))
        assert text is not None
        assert "Hello Ália <b> & Co," in text.get_content()
        assert server.options == [["SMTPUTF8"], []]

    async def test_gets_no_name_beyond_ascii_if_it_does_not_offer_that(self, server: MailServer):
        async with serve(server) as port:
            with pytest.raises(MailRefused, match="it does not offer SMTPUTF8") as refusal:
                await mailer_at(port).send(make_mail(to="jürgen@example.com"))

        assert server.mails == []
        assert "jürgen" not in str(refusal.value)

    async def test_gets_the_same_message_id_each_time(self, server: MailServer):
        async with serve(server) as port:
            for _ in range(2):
                await mailer_at(port).send(make_mail(id="welcome-" + "7" * 80))

        first, second = (mail["Message-ID"] for mail in server.mails)
        assert first == second == f"<welcome-{'7' * 80}@shop.example>"

    async def test_gets_no_header_that_a_value_added(self, server: MailServer):
        async with serve(server) as port:
            await mailer_at(port).send(
                make_mail(values={"nickname": "Eve\r\n.\r\nMAIL FROM:<eve@x>\r\nBcc: bob@x"})
            )

        assert server.recipients == ["alice@example.com"]
        assert "Bcc" not in server.mails[0]

    async def test_gets_lines_that_begin_with_a_dot(self, server: MailServer):
        async with serve(server) as port:
            # A name beyond ASCII would hide all lines in base64.
            await mailer_at(port).send(make_mail(values={"nickname": "Alice", "link": ".."}))

        text = server.mails[0].get_body(("plain",))
        assert text is not None
        assert ".." in text.get_content().splitlines()

    async def test_may_scan_a_mail_for_long(self, server: MailServer):
        server.looks_for = 0.3
        async with serve(server) as port:
            mailer = mailer_at(port, reply=timedelta(seconds=0.2), breaker=timedelta(minutes=1))
            await mailer.send(make_mail())

        assert len(server.mails) == 1

    @pytest.mark.parametrize(
        "to", ["a@b.co\r\nRCPT TO:<eve@x.co>", "alice", "<a@b.co>", "a@b.co, eve@x.co", "ä b@b.de"]
    )
    async def test_gets_no_mail_to_an_invalid_address(self, server: MailServer, to: str):
        async with serve(server) as port:
            with pytest.raises(MailRefused) as refusal:
                await mailer_at(port).send(make_mail(to=to))

        assert server.connections == 0
        assert to not in str(refusal.value)

    async def test_has_the_mail_however_it_answers_quit(self, server: MailServer):
        server.is_slow_to_part = True

        async with serve(server) as port:
            await mailer_at(port, reply=timedelta(seconds=0.5)).send(make_mail())

        assert len(server.mails) == 1


class TestServerThatRefuses:
    async def test_a_person_gets_no_other_attempt(self, server: MailServer):
        server.recipient_answers = ["550 5.1.1 <alice@example.com>: no such person"]

        error = await refusal_of(server, MailRefused)

        assert error == "The mail server refused the mail with 550 5.1.1."

    async def test_a_mail_gets_no_other_attempt(self, server: MailServer):
        server.data_answers = ["554 no spam for alice@example.com"]

        assert (await refusal_of(server, MailRefused)).endswith("with 554.")

    @pytest.mark.parametrize("answer", ["451 4.7.1 Greylisted", "452 4.2.2 alice is full"])
    async def test_a_mail_for_now_gets_another_attempt(self, server: MailServer, answer: str):
        server.recipient_answers = [answer]
        async with serve(server) as port:
            mailer = mailer_at(port, breaker=timedelta(minutes=1))
            with pytest.raises(MailUnavailable, match="for now with 45"):
                await mailer.send(make_mail())
            # It refused this mail only, so other mails need not wait.
            await mailer.send(make_mail())

        assert len(server.mails) == 1

    async def test_the_sender_waits_for_a_person_to_repair_that(self, server: MailServer):
        server.sender_answer = "553 5.7.1 not yours"

        assert "refused MAIL_FROM with 553 5.7.1" in await refusal_of(server, ServerUnreachable)

    async def test_the_connection_gets_another_attempt(self, server: MailServer):
        server.greeting_answer = "554 go away"

        assert "refused the connection with 554" in await refusal_of(server, ServerUnreachable)

    async def test_an_unauthenticated_client_gets_another_attempt(self, server: MailServer):
        server.recipient_answers = ["530 5.7.0 Authentication required"]

        assert "530 5.7.0" in await refusal_of(server, ServerUnreachable)

    async def test_a_password_says_which_setting_is_wrong(self, server: MailServer):
        url = "smtps://shop:wrong@localhost:{port}"
        async with serve(server, tls=server_tls(), password="right") as port:
            with pytest.raises(ServerUnreachable, match="SMTP_URL's user and password with 535"):
                await mailer_at(port, url=url, tls=client_tls()).send(make_mail())


class TestServerThatIsAway:
    async def test_does_not_delay_the_other_mails(self, server: MailServer):
        async with serve(server) as port:
            pass
        mailer = mailer_at(port, breaker=timedelta(minutes=1))

        with pytest.raises(ServerUnreachable, match="cannot be used"):
            await mailer.send(make_mail())
        async with serve(server, port=port):
            with pytest.raises(MailUnavailable, match="a moment ago"):
                await mailer.send(make_mail())

        assert server.connections == 0

    async def test_times_out_when_it_never_answers(self):
        async with serve_silence() as port:
            mailer = mailer_at(port, reply=timedelta(seconds=0.2))
            started = time.monotonic()
            with pytest.raises(ServerUnreachable, match="did not answer in time"):
                await mailer.send(make_mail())

        assert time.monotonic() - started < 2

    async def test_may_have_the_mail_when_the_line_drops(self, server: MailServer):
        server.hangs_up_after_data = True
        async with serve(server) as port:
            mailer = mailer_at(port, breaker=timedelta(minutes=1))
            with pytest.raises(MailUncertain):
                await mailer.send(make_mail())
            server.hangs_up_after_data = False
            # It answered everything else, so other mails need not wait.
            await mailer.send(make_mail())

        assert len({mail["Message-ID"] for mail in server.mails}) == 1

    async def test_may_have_the_mail_when_it_does_not_confirm_it(self, server: MailServer):
        server.looks_for = 60
        async with serve(server) as port:
            with pytest.raises(MailUncertain):
                await mailer_at(port, acceptance=timedelta(seconds=0.1)).send(make_mail())

        assert len(server.mails) == 1

    async def test_may_have_the_mail_when_the_job_is_stopped(self, server: MailServer):
        server.looks_for = 60
        async with serve(server) as port:
            sending = asyncio.create_task(mailer_at(port).send(make_mail()))
            await server.has_one.wait()
            sending.cancel()
            with pytest.raises(MailUncertain):
                await sending

    async def test_leaves_nothing_open_when_the_job_is_stopped(self):
        called = asyncio.Event()
        async with serve_silence(called) as port:
            sending = asyncio.create_task(mailer_at(port).send(make_mail()))
            await called.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending


class TestEncryption:
    async def test_begins_on_request(self, server: MailServer):
        await self._send(server, "smtp://shop:right@localhost:{port}?starttls=true")

        assert len(server.mails) == 1

    async def test_is_there_from_the_start(self, server: MailServer):
        async with serve(server, tls=server_tls(), password="right") as port:
            mailer = mailer_at(port, url="smtps://shop:right@localhost:{port}", tls=client_tls())
            await mailer.send(make_mail())

        assert len(server.mails) == 1

    async def test_is_used_where_it_is_offered(self, server: MailServer):
        with pytest.raises(ServerUnreachable, match="certificate"):
            await self._send(server, "smtp://localhost:{port}", tls=ssl.create_default_context())

        assert server.mails == []

    async def test_is_required_with_starttls_true(self, server: MailServer):
        async with serve(server) as port:
            mailer = mailer_at(port, url="smtp://127.0.0.1:{port}?starttls=true")
            with pytest.raises(ServerUnreachable, match="STARTTLS"):
                await mailer.send(make_mail())

        assert server.mails == []

    async def _send(
        self, server: MailServer, url: str, *, tls: ssl.SSLContext | None = None
    ) -> None:
        async with serve(server, starttls=server_tls(), password="right") as port:
            mailer: SmtpMailer = mailer_at(port, url=url, tls=tls or client_tls())
            await mailer.send(make_mail())
