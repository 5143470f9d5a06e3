"""Mails to Alice, and mailers."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

from keyshop.gateways.mail.address import parse_sender, parse_smtp_url
from keyshop.gateways.mail.smtp import SmtpMailer, SmtpTimeouts
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mail, MailLine

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SENDER = parse_sender("Kéyshop <shop@shop.example>")

VALUES = {
    "nickname": "Ália <b> & Co",
    "code": "042137",
    "link": "https://shop.example/api/auth/verify-email?token=abc.def&x=1",
    "minutes": "15",
    "shop_url": "https://shop.example",
}

ORDER_VALUES = {
    "nickname": "Ália <b> & Co",
    "order": "1a2b3c4d",
    "placed_on": "2026-06-15",
    "status": "COMPLETED",
    "subtotal": "30.00",
    "discount": "3.00",
    "total": "27.00",
    "refunded": "",
    "is_revoked": "",
    "seller_name": "Games & Keys Ltd",
    "seller_address": "1 Long Street\n12345 Town",
    "seller_vat_note": "No VAT is due.",
    "shop_url": "https://shop.example",
}
KEY_TEXT = "AAAAA-BBBBB-CCCCC"


def make_line(**overrides: Any) -> MailLine:
    line = {
        "title": "Witch Hunt",
        "quantity": "2",
        "amount": "30.00",
        "refunded": "",
        "missing": "",
    }
    return line | {"key_texts": [Secret(KEY_TEXT)]} | overrides


def make_order_mail(
    template: str = "order_final", *, line: dict[str, Any] | None = None, **values: str
) -> Mail:
    return Mail(
        id="order-1-final",
        to="alice@example.com",
        template=template,
        values=ORDER_VALUES | values,
        lines=[make_line(**(line or {}))],
    )


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
