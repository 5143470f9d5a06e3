"""Mails to Alice, and who carries them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.gateways.mail.smtp import SmtpMailer
from keyshop.mail.protocol import Mail

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SENDER = parse_sender("Kéyshop <shop@shop.example>")

VALUES = {
    "nickname": "Ália <b> & Co",
    "code": "042137",
    "link": "https://shop.example/api/auth/verify-email?token=abc.def&x=1",
    "minutes": "15",
    "shop_url": "https://shop.example",
}


def make_mail(*, values: dict[str, str] | None = None, **overrides: Any) -> Mail:
    mail: dict[str, Any] = {
        "id": "welcome-1",
        "to": "alice@example.com",
        "template": "welcome",
        "values": VALUES | (values or {}),
    }
    return Mail(**(mail | overrides))


def mailer_at(port: int, *, url: str = "smtp://127.0.0.1:{port}", **overrides: Any) -> SmtpMailer:
    parts: dict[str, Any] = {
        "sender": SENDER,
        "timeout": timedelta(seconds=5),
        "pause": timedelta(0),
        "clock": lambda: NOON,
    }
    return SmtpMailer(parse_smtp_url(url.format(port=port)), **(parts | overrides))
