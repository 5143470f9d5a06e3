"""
Mails over SMTP, each on a connection of its own.

What a server says is sorted by what we may do next: a mail that it refuses for good becomes a dead
letter, and everything that concerns the server, or passes, is tried again.
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

from keyshop.gateways.mail.address import Encryption, SmtpAddress
from keyshop.gateways.mail.breaker import Breaker, ServerAway
from keyshop.gateways.mail.message import build_message
from keyshop.kit.clock import utc_now
from keyshop.mail.protocol import Mail, MailRefused, MailUnavailable, MailUncertain

_TIMEOUT: Final = timedelta(seconds=20)
# Servers look through a mail before they answer for it (RFC 5321, 4.5.3.2.6). Whoever hangs up
# meanwhile, and comes again, leaves a copy each time.
_ANSWER_TIMEOUT: Final = timedelta(minutes=10)
_PAUSE: Final = timedelta(seconds=15)
_GOODBYE: Final = 1.0  # seconds

_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
_BEGINNING_OF_A_LINE: Final = re.compile(rb"^\.", re.MULTILINE)
_GO_ON: Final = 354
_TAKEN: Final = 250
_CLOSING: Final = 421  # the server goes away
_NOT_SIGNED_IN: Final = 530

_START_TLS: Final = {
    Encryption.TLS: False,
    Encryption.STARTTLS: True,
    Encryption.IF_OFFERED: None,
    Encryption.NONE: False,
}


class SmtpMailer:
    """Hands mails to a mail server."""

    def __init__(
        self,
        address: SmtpAddress,
        *,
        sender: Address,
        tls: ssl.SSLContext | None = None,
        timeout: timedelta = _TIMEOUT,
        answer_timeout: timedelta = _ANSWER_TIMEOUT,
        pause: timedelta = _PAUSE,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._address = address
        self._sender = sender
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout.total_seconds()
        self._answer_timeout = answer_timeout.total_seconds()
        self._breaker = Breaker(pause)
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """
        Hand the mail to the server, which has taken it when this returns.

        The server may take minutes over its answer to the whole mail, and seconds over all else.

        Raises:
            MailRefused: it will never be taken.
            MailUncertain: the server has the whole mail and did not answer, or this was cancelled
                while it had not.
            MailUnavailable: it was not taken; trying again may help.
        """
        message = build_message(mail, sender=self._sender, now=self._clock())
        server = self._client()
        try:
            # A mail that the server looks through for long tells nothing about the others.
            with self._breaker.watching():
                await self._announce(server, to=mail.to)
            await self._hand_over(server, message.as_bytes())
            await _take_leave(server)
        finally:
            server.close()

    async def _announce(self, server: SMTP, *, to: str) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await server.connect()
                await server.mail(self._sender.addr_spec)
                await server.rcpt(to)
                answer = await server.execute_command(b"DATA")
            if answer.code != _GO_ON:
                raise _refusal(answer)
        except SMTPRecipientRefused as error:
            raise _refusal(error) from None
        except (SMTPException, OSError, UnicodeError) as error:
            # What the server said often repeats the person's address, and a job's error is stored.
            raise _away(error) from None

    async def _hand_over(self, server: SMTP, content: bytes) -> None:
        try:
            async with asyncio.timeout(self._answer_timeout):
                answer = await _put_in(server, content)
        except (SMTPException, OSError, asyncio.CancelledError):
            raise MailUncertain from None
        if answer.code != _TAKEN:
            raise _refusal(answer)

    def _client(self) -> SMTP:
        address = self._address
        return SMTP(
            hostname=address.host,
            port=address.port,
            username=address.user,
            password=address.password.reveal() if address.password else None,
            # By default it asks the name service for this machine's name, which may take long.
            local_hostname=self._sender.domain,
            # There is one for the whole. Python 3.11's `wait_for`, which one for each step goes
            # through, can swallow the cancellation of a job.
            timeout=None,
            use_tls=address.encryption is Encryption.TLS,
            start_tls=_START_TLS[address.encryption],
            tls_context=self._tls,
        )


async def _put_in(server: SMTP, content: bytes) -> SMTPResponse:
    """
    Send the mail behind the server's "go on", and return what it says then.

    aiosmtplib would do this and DATA in one, and not tell which of them failed.
    """
    if server.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    server.protocol.write(_BEGINNING_OF_A_LINE.sub(b"..", content) + b".\r\n")
    return await server.protocol.read_response()


async def _take_leave(server: SMTP) -> None:
    # The server has the mail; how it takes the farewell must not send it again.
    with suppress(SMTPException, OSError):
        await server.quit(timeout=_GOODBYE)


def _refusal(error: SMTPResponse | SMTPRecipientRefused) -> MailRefused | MailUnavailable:
    """Return what a refusal of this one mail means."""
    if error.code in {_CLOSING, _NOT_SIGNED_IN}:
        return _away(error)
    if 500 <= error.code < 600:
        return MailRefused(f"The mail server refused the mail with {_codes(error)}.")
    return MailUnavailable(f"The mail server does not take the mail yet: {_codes(error)}.")


def _away(error: Exception | SMTPResponse) -> ServerAway:
    """Return what a failure means that concerns the server, or the shop's account with it."""
    if isinstance(error, SMTPAuthenticationError):
        told = f"refused SMTP_URL's user and password with {_codes(error)}"
    elif isinstance(error, SMTPSenderRefused):
        told = f"refused MAIL_FROM with {_codes(error)}"
    elif isinstance(error, SMTPResponse | SMTPResponseException):
        told = f"refused to be talked to with {_codes(error)}"
    elif isinstance(error, TimeoutError):
        told = "did not answer in time"
    else:
        told = f"cannot be used: {error}".rstrip(".")
    return ServerAway(f"The mail server {told}.")


def _codes(error: SMTPResponse | SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)
