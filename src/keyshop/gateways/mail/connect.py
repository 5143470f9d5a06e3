"""The way to the mail server: what the assembly asks for."""

from pathlib import Path

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.gateways.mail.folder import FolderMailer
from keyshop.gateways.mail.smtp import SmtpMailer
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mailer


def open_mailer(*, smtp_url: Secret | None, mail_from: str, folder: Path) -> Mailer:
    """
    Return what sends mails: over SMTP, or into the folder when no server is given.

    It holds nothing that would have to be closed.

    Raises:
        Invalid: SMTP_URL or MAIL_FROM cannot be meant.
    """
    sender = parse_sender(mail_from)
    if smtp_url is None:
        return FolderMailer(folder, sender=sender)
    return SmtpMailer(parse_smtp_url(smtp_url.reveal()), sender=sender)
