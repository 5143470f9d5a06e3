"""
Sends mails over SMTP, each on a connection of its own.

The server's answers are sorted by what may be done next: the job of a mail that it refuses for good
becomes a dead letter; a failure of the server, or a temporary one, is retried.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from email.headerregistry import Address
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from msgspec import Struct

from keyshop.gateways.mail.address import Encryption, SmtpAddress
from keyshop.gateways.mail.breaker import DEFAULT_OPEN_TIME, Breaker, ServerUnreachable
from keyshop.gateways.mail.message import build_message, recipient_of
from keyshop.kit.clock import utc_now
from keyshop.mail.protocol import Mail, MailRefused, MailUnavailable, MailUncertain

_QUIT_TIMEOUT: Final = 1.0  # seconds

_ENHANCED_CODE: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)
# Reply codes of RFC 5321 and RFC 4954.
_START_INPUT: Final = 354
_OK: Final = 250
_SHUTTING_DOWN: Final = 421
_AUTHENTICATION_REQUIRED: Final = 530

_START_TLS: Final = {
    Encryption.TLS: False,
    Encryption.STARTTLS: True,
    Encryption.IF_OFFERED: None,
    Encryption.NONE: False,
}


class SmtpTimeouts(Struct, frozen=True, kw_only=True):
    """How long to wait for a mail server."""

    reply: timedelta = timedelta(seconds=20)
    """For all replies up to the one to DATA."""

    acceptance: timedelta = timedelta(minutes=10)
    """
    For the reply to the whole mail, which servers scan first (RFC 5321, 4.5.3.2.6). A client that
    gives up earlier and retries delivers another copy each time.
    """

    breaker: timedelta = DEFAULT_OPEN_TIME
    """Before an unreachable server is tried again."""


_DEFAULT_TIMEOUTS: Final = SmtpTimeouts()


class SmtpMailer:
    def __init__(
        self,
        address: SmtpAddress,
        *,
        sender: Address,
        tls: ssl.SSLContext | None = None,
        timeouts: SmtpTimeouts = _DEFAULT_TIMEOUTS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._address = address
        self._sender = sender
        self._tls = tls or ssl.create_default_context()
        self._timeouts = timeouts
        self._breaker = Breaker(timeouts.breaker)
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """
        Send the mail; when this returns, the server has accepted it.

        The server has minutes to answer after the whole mail, and seconds for everything else.

        Raises:
            MailRefused: it will never be accepted.
            MailUncertain: the server received the whole mail, and did not answer or this was
                cancelled before it did.
            MailUnavailable: it was not accepted; a retry may help.
        """
        message = build_message(mail, sender=self._sender, now=self._clock())
        server = self._client()
        try:
            # Only the dialogue up to DATA is guarded: a long scan says nothing about other mails.
            with self._breaker.guard():
                await self._start_data(server, to=recipient_of(mail))
            await self._send_content(server, message.as_bytes())
            await _quit(server)
        finally:
            server.close()

    async def _start_data(self, server: SMTP, *, to: str) -> None:
        try:
            async with asyncio.timeout(self._timeouts.reply.total_seconds()):
                await server.connect()
                await _name_recipient(server, self._sender.addr_spec, to=to)
                answer = await server.execute_command(b"DATA")
            if answer.code != _START_INPUT:
                raise _refusal(answer)
        except SMTPRecipientRefused as error:
            raise _refusal(error) from None
        except (SMTPException, OSError, UnicodeError) as error:
            # The server's text often repeats the person's address, and a job's error is stored.
            raise _unreachable(error) from None

    async def _send_content(self, server: SMTP, content: bytes) -> None:
        try:
            async with asyncio.timeout(self._timeouts.acceptance.total_seconds()):
                answer = await _write_content(server, content)
        except (SMTPException, OSError, asyncio.CancelledError):
            raise MailUncertain from None
        if answer.code != _OK:
            raise _refusal(answer)

    def _client(self) -> SMTP:
        address = self._address
        return SMTP(
            hostname=address.host,
            port=address.port,
            username=address.user,
            password=address.password.reveal() if address.password else None,
            # The default is a name service look-up of this machine's name, which may take long.
            local_hostname=self._sender.domain,
            # Timeouts surround several steps instead: aiosmtplib's own use `wait_for`, which in
            # Python 3.11 can swallow the cancellation of a job.
            timeout=None,
            use_tls=address.encryption is Encryption.TLS,
            start_tls=_START_TLS[address.encryption],
            tls_context=self._tls,
        )


async def _name_recipient(server: SMTP, sender: str, *, to: str) -> None:
    if to.isascii():
        await server.mail(sender)
        await server.rcpt(to)
        return
    if server.is_ehlo_or_helo_needed:
        await server.ehlo()
    if not server.supports_extension("smtputf8"):
        raise MailRefused(
            "The mail server takes no address with letters beyond ASCII: it does not offer SMTPUTF8."
        )
    await server.mail(sender, options=["SMTPUTF8"])
    await server.rcpt(to, encoding="utf-8")


async def _write_content(server: SMTP, content: bytes) -> SMTPResponse:
    """
    Send the mail's content after the server's 354, and return its answer.

    aiosmtplib would send DATA and content in one call, and not say which of them failed.
    """
    if server.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    server.protocol.write(_LEADING_DOT.sub(b"..", content) + b".\r\n")
    return await server.protocol.read_response()


async def _quit(server: SMTP) -> None:
    # The server has the mail already; an error now must not send it again.
    with suppress(SMTPException, OSError):
        await server.quit(timeout=_QUIT_TIMEOUT)


def _refusal(error: SMTPResponse | SMTPRecipientRefused) -> MailRefused | MailUnavailable:
    """Return the error for a refusal of this one mail."""
    if error.code in {_SHUTTING_DOWN, _AUTHENTICATION_REQUIRED}:
        return _unreachable(error)
    if 500 <= error.code < 600:
        return MailRefused(f"The mail server refused the mail with {_codes(error)}.")
    return MailUnavailable(f"The mail server refused the mail for now with {_codes(error)}.")


def _unreachable(error: Exception | SMTPResponse) -> ServerUnreachable:
    """Return the error for a failure of the server, or of the shop's account with it."""
    if isinstance(error, SMTPAuthenticationError):
        fault = f"refused SMTP_URL's user and password with {_codes(error)}"
    elif isinstance(error, SMTPSenderRefused):
        fault = f"refused MAIL_FROM with {_codes(error)}"
    elif isinstance(error, SMTPResponse | SMTPResponseException):
        fault = f"refused the connection with {_codes(error)}"
    elif isinstance(error, TimeoutError):
        fault = "did not answer in time"
    else:
        fault = f"cannot be used: {error}".rstrip(".")
    return ServerUnreachable(f"The mail server {fault}.")


def _codes(error: SMTPResponse | SMTPResponseException) -> str:
    enhanced = _ENHANCED_CODE.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)
