"""A real mail server on a loopback port with selectable faults, and one that never answers."""

# ruff: noqa: N802 - aiosmtpd finds the methods of a handler by these names

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

# A self-signed certificate for localhost and 127.0.0.1; its key protects nothing.
AUTHORITY = trustme.CA()


class MailServer:
    """The mails that a mail server accepted, and how it answers."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.options: list[list[str]] = []
        """Of each mail: SMTPUTF8, or nothing."""

        self.connections = 0
        self.greeting_answer: str | None = None
        """The reply to EHLO and HELO, instead of 250."""

        self.sender_answer: str | None = None
        self.recipient_answers: list[str] = []
        """The replies to the next recipients, instead of 250."""

        self.data_answers: list[str] = []
        """The replies to the next mails, instead of 250; these mails are not accepted."""

        self.hangs_up_after_data = False
        """Accept the mail, and drop the connection before the reply."""

        self.looks_for = 0.0
        """Seconds for which it scans a mail before the reply."""

        self.has_one = asyncio.Event()
        self.is_slow_to_part = False

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        self.connections += 1
        if self.greeting_answer:
            return [self.greeting_answer]
        session.host_name = hostname
        return answers

    async def handle_HELO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str
    ) -> str:
        return self.greeting_answer or "250 mail.example"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        self.options.append([option for option in options if option == "SMTPUTF8"])
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data_answers:
            return self.data_answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=default))
        self.recipients += envelope.rcpt_tos
        self.has_one.set()
        await asyncio.sleep(self.looks_for)
        if self.hangs_up_after_data:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 2.0.0 Taken"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.is_slow_to_part:
            await asyncio.sleep(60)
        return "221 Bye"


@asynccontextmanager
async def serve(
    moods: MailServer,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    password: str | None = None,
    smtputf8: bool = False,
) -> AsyncIterator[int]:
    """Run the server and yield its port; `tls` from the first byte, or with STARTTLS."""
    loop = asyncio.get_running_loop()

    def authenticate(*args: Any) -> AuthResult:
        login = args[4]
        return AuthResult(success=login.password == (password or "").encode(), handled=False)

    def connect() -> SMTP:
        return SMTP(
            moods,
            hostname="mail.example",
            loop=loop,
            tls_context=starttls,
            authenticator=authenticate if password else None,
            auth_require_tls=not tls,
            enable_SMTPUTF8=smtputf8,
        )

    server = await loop.create_server(connect, "127.0.0.1", port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def serve_silence(called: asyncio.Event | None = None) -> AsyncIterator[int]:
    """Accept connections, and never answer."""
    writers: list[asyncio.StreamWriter] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if called:
            called.set()
        await reader.read()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()


def server_tls() -> ssl.SSLContext:
    """Return the server's TLS context, with a certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def client_tls() -> ssl.SSLContext:
    """Return a TLS context that trusts only the server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    return context
