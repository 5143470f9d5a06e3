"""What the shop asks of whoever carries its mails (gateways/mail does)."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from keyshop.kit.errors import Invalid, Unavailable


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
    """The mail server is away, slow, or broke off; the mail may have gone out all the same."""


class Mailer(Protocol):
    """Sends mails."""

    async def send(self, mail: Mail) -> None:
        """
        Hand the mail to the mail server, which has taken it when this returns.

        Raises:
            MailRefused: it will never be taken.
            MailUnavailable: trying again may help.
        """
        ...
