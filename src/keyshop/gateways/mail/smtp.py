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
from email.message import EmailMessage
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from keyshop.gateways.mail.address import Encryption, SmtpAddress
from keyshop.gateways.mail.breaker import Breaker, ServerAway
from keyshop.gateways.mail.message import build_message
from keyshop.kit.clock import utc_now
from keyshop.kit.mail import Mail, MailRefused, MailUnavailable

_TIMEOUT: Final = timedelta(seconds=20)
_PAUSE: Final = timedelta(seconds=15)
_GOODBYE: Final = 1.0  # seconds

_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
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
        pause: timedelta = _PAUSE,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._address = address
        self._sender = sender
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout.total_seconds()
        self._breaker = Breaker(pause)
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """
        Hand the mail to the server, which has taken it when this returns.

        Raises:
            MailRefused: it will never be taken.
            MailUnavailable: trying again may help.
        """
        message = build_message(mail, sender=self._sender, now=self._clock())
        with self._breaker.watching():
            await self._deliver(message, to=mail.to)

    async def _deliver(self, message: EmailMessage, *, to: str) -> None:
        server = self._client()
        try:
            async with asyncio.timeout(self._timeout):
                await server.connect()
                await _hand_over(server, message, sender=self._sender.addr_spec, to=to)
            await _take_leave(server)
        except (SMTPException, OSError, UnicodeError) as error:
            # What the server said often repeats the person's address, and a job's error is stored.
            raise _away(error) from None
        finally:
            server.close()

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


async def _hand_over(server: SMTP, message: EmailMessage, *, sender: str, to: str) -> None:
    try:
        await server.sendmail(sender, [to], message.as_bytes())
    except SMTPRecipientsRefused as error:
        raise _refusal(error.recipients[0]) from None
    except SMTPDataError as error:
        raise _refusal(error) from None


async def _take_leave(server: SMTP) -> None:
    # The server has the mail; how it takes the farewell must not send it again.
    with suppress(SMTPException, OSError):
        await server.quit(timeout=_GOODBYE)


def _refusal(error: SMTPRecipientRefused | SMTPDataError) -> MailRefused | MailUnavailable:
    """Return what a refusal of this one mail means."""
    if error.code in {_CLOSING, _NOT_SIGNED_IN}:
        return _away(error)
    if 500 <= error.code < 600:
        return MailRefused(f"The mail server refused the mail with {_codes(error)}.")
    return MailUnavailable(f"The mail server does not take the mail yet: {_codes(error)}.")


def _away(error: Exception) -> ServerAway:
    """Return what a failure means that concerns the server, or the shop's account with it."""
    if isinstance(error, SMTPAuthenticationError):
        told = f"refused SMTP_URL's user and password with {_codes(error)}"
    elif isinstance(error, SMTPSenderRefused):
        told = f"refused MAIL_FROM with {_codes(error)}"
    elif isinstance(error, SMTPResponseException):
        told = f"refused to be talked to with {_codes(error)}"
    elif isinstance(error, TimeoutError):
        told = "did not answer in time"
    else:
        told = f"cannot be used: {error}".rstrip(".")
    return ServerAway(f"The mail server {told}.")


def _codes(error: SMTPResponseException) -> str:
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)
