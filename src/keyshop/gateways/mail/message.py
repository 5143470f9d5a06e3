"""Builds the MIME message of a mail."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from keyshop.gateways.mail.address import as_header, is_utf8_mail_address, with_ascii_domain
from keyshop.gateways.mail.render import render
from keyshop.mail.protocol import Mail, MailRefused

# 7 bit, because a server on the way may support nothing else. Lines of up to 900 characters (998 are
# allowed), because some mail programs misread a Message-ID that is folded.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=900)
# Headers as they are: for an address beyond ASCII there is no other form.
_UTF8_POLICY: Final = _POLICY.clone(utf8=True)


def recipient_of(mail: Mail) -> str:
    """
    Return the address to which the mail goes; only the part before the @ may be beyond ASCII.

    Raises:
        MailRefused: its address is invalid.
    """
    to = with_ascii_domain(mail.to)
    if not is_utf8_mail_address(to):
        raise MailRefused("The account's e-mail address is not a valid mail address.")
    return to


def build_message(mail: Mail, *, sender: Address, now: datetime) -> EmailMessage:
    """
    Return the mail as a message of text and HTML; each attempt differs in nothing but the date.

    Raises:
        MailRefused: its address is invalid.
        TemplateBroken: its template is missing, or lacks a value.
    """
    to = recipient_of(mail)
    rendered = render(mail)
    message = EmailMessage(policy=_POLICY if to.isascii() else _UTF8_POLICY)
    message["From"] = sender
    message["To"] = as_header(to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    # Prevents automatic replies such as out-of-office notices.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message
