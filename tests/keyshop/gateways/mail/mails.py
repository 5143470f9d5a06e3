"""Mails to Alice, and mailers."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.gateways.mail.smtp import SmtpMailer, SmtpTimeouts
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


def mailer_at(
    port: int,
    *,
    url: str = "smtp://127.0.0.1:{port}",
    tls: ssl.SSLContext | None = None,
    **timeouts: timedelta,
) -> SmtpMailer:
    """Return a mailer of short timeouts that always tries the server, unless the test says more."""
    return SmtpMailer(
        parse_smtp_url(url.format(port=port)),
        sender=SENDER,
        tls=tls,
        timeouts=SmtpTimeouts(
            **({"reply": timedelta(seconds=5), "breaker": timedelta(0)} | timeouts)
        ),
        clock=lambda: NOON,
    )
