"""What the shop asks of whoever carries its mails (gateways/mail does)."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from keyshop.kit.errors import Conflict, Invalid, Unavailable


class Mail(Struct, frozen=True, kw_only=True):
    """A mail to one person."""

    id: str
    """The same for every attempt to send it; two of one id are one mail to a mail reader."""

    to: str
    template: str
    """The name of a subject, a text and a page; `values` fills them."""

    values: Mapping[str, str]


class MailRefused(Invalid):
    """The mail server does not take this mail, and will not take it later."""


class MailUnavailable(Unavailable):
    """The mail server is away, slow, broke off, or does not want the mail yet."""


class MailUncertain(MailUnavailable):
    """The mail server was given the whole mail, and nobody knows whether it took it."""

    def __init__(self) -> None:
        super().__init__("The mail server was given the mail and did not say that it has it.")


class MailMaybeSent(Conflict):
    """The outcome stayed unknown, and another copy might annoy; a person has to look."""

    def __init__(self) -> None:
        super().__init__(
            "The mail server was given the mail more than once and never said that it has it;"
            " look for it in that server's log before you retry this job."
        )


class Mailer(Protocol):
    """Sends mails."""

    async def send(self, mail: Mail) -> None:
        """
        Hand the mail to the mail server, which has taken it when this returns.

        Raises:
            MailRefused: it will never be taken.
            MailUncertain: it may have been taken.
            MailUnavailable: it was not taken; trying again may help.
        """
        ...
