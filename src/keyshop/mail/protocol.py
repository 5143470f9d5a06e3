"""The protocol of mailers, which gateways/mail implements, and its errors."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from keyshop.kit.errors import Conflict, Invalid, Unavailable
from keyshop.kit.secrets import Secret

MailLine: TypeAlias = Mapping[str, str | Sequence[Secret]]
"""One of several things that a mail lists; secrets are keys of games."""


class Mail(Struct, frozen=True, kw_only=True):
    """A mail to one address."""

    id: str
    """The same for every attempt: mail programs show two mails of one id as one."""

    to: str
    template: str
    """The name of a template with subject, text and HTML; `values` fills it."""

    values: Mapping[str, str]
    lines: Sequence[MailLine] = ()

    def __repr__(self) -> str:
        """Return nothing personal: libraries log their arguments, and values hold codes and links."""
        return f"Mail(id={self.id!r}, template={self.template!r})"


class MailRefused(Invalid):
    """The mail server refused the mail for good."""


class MailUnavailable(Unavailable):
    """The mail server cannot be reached, does not answer, or refused the mail for now."""


class MailUncertain(MailUnavailable):
    """The mail server received the whole mail and did not say whether it accepted it."""

    def __init__(self) -> None:
        super().__init__("The mail server received the mail and did not confirm it.")


class MailMaybeSent(Conflict):
    """The outcome stayed unknown; a person must look before another copy is sent."""

    def __init__(self) -> None:
        super().__init__(
            "The mail server received the mail more than once and never confirmed it; look for it in"
            " that server's log before you retry this job."
        )


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """
        Send the mail; when this returns, the mail server has accepted it.

        Raises:
            MailRefused: it will never be accepted.
            MailUncertain: it may have been accepted.
            MailUnavailable: it was not accepted; a retry may help.
        """
        ...
