"""Builds the MIME message of a mail."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from keyshop.gateways.mail.address import as_header, is_mail_address
from keyshop.gateways.mail.render import render
from keyshop.mail.protocol import Mail, MailRefused

# 7 bit, because a server on the way may support nothing else. Lines of up to 900 characters (998 are
# allowed), because some mail programs misread a Message-ID that is folded.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=900)


def build_message(mail: Mail, *, sender: Address, now: datetime) -> EmailMessage:
    """
    Return the mail as a message of text and HTML; each attempt differs in nothing but the date.

    Raises:
        MailRefused: its address is invalid.
        TemplateBroken: its template is missing, or lacks a value.
    """
    if not is_mail_address(mail.to):
        raise MailRefused("The account's e-mail address is not a valid mail address.")
    rendered = render(mail)
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = as_header(mail.to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    # Prevents automatic replies such as out-of-office notices.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message
