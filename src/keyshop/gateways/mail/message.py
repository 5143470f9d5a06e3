"""Turns a mail into the message that goes over the wire or into a file."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from keyshop.gateways.mail.address import as_header, is_mail_address
from keyshop.gateways.mail.render import render
from keyshop.mail.protocol import Mail, MailRefused

# 7 bit: some server on the way may know nothing else. Lines up to 900 characters, of 998 that are
# allowed: a Message-ID that is folded is another one to some readers.
_POLICY: Final = SMTP.clone(cte_type="7bit", max_line_length=900)


def build_message(mail: Mail, *, sender: Address, now: datetime) -> EmailMessage:
    """
    Return the mail as a message of a text and a page, the same at each attempt but for its date.

    Raises:
        MailRefused: it goes to no address that a mail server takes.
        TemplateBroken: its template is not there, or wants a value that it has not.
    """
    if not is_mail_address(mail.to):
        raise MailRefused("The account's e-mail address is none that a mail can be sent to.")
    rendered = render(mail)
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = as_header(mail.to)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    # Out-of-office replies and the like are not sent to those that say so.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(rendered.text)
    message.add_alternative(rendered.page, subtype="html")
    return message
