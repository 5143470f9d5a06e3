"""Chooses the mailer that the settings ask for."""

from pathlib import Path

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.gateways.mail.folder import FolderMailer
from keyshop.gateways.mail.smtp import SmtpMailer
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mailer


def open_mailer(*, smtp_url: Secret | None, mail_from: str, folder: Path) -> Mailer:
    """
    Return a mailer that uses SMTP, or the folder if there is no SMTP_URL; it needs no closing.

    Raises:
        Invalid: SMTP_URL or MAIL_FROM is invalid.
    """
    sender = parse_sender(mail_from)
    if smtp_url is None:
        return FolderMailer(folder, sender=sender)
    return SmtpMailer(parse_smtp_url(smtp_url.reveal()), sender=sender)
