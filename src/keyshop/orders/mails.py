"""
The mails about orders: when there is one, to whom it goes and what it says.

A mail is composed from the rows as they are when it is sent. Keys are unsealed for it then, and no copy
of its text is kept.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from keyshop.keys.reveal_keys import read_keys, record_reveals
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import Job
from keyshop.kit.secrets import Secret
from keyshop.mail.protocol import Mail, MailLine
from keyshop.orders import mail_queries, show_queries
from keyshop.orders.answers import ItemInOrder, OrderAnswer
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.jobs import MailOrder, MailUnitRefunded
from keyshop.orders.mail_queries import Recipient, RefundedGame
from keyshop.orders.models import OrderStatus
from keyshop.orders.settings import Seller

OPEN: Final = frozenset({OrderStatus.PENDING, OrderStatus.PROCESSING})
"""States in which the customer waits for keys."""

FINAL: Final = frozenset(OrderStatus) - OPEN
_SHOWN_ID: Final = 8  # characters of an order's id, as the storefront shows it


def order_mails(
    order_id: str, before: OrderStatus, after: OrderStatus, *, refunded: Sequence[str] = ()
) -> list[Job]:
    """
    Return the mails that a change of an order causes, to be enqueued in its transaction.

    An order that is placed was PENDING before. `refunded` are the units that this change refunds: one
    mail names them all, unless the order's final mail, which is sent once, does.
    """
    if before is OrderStatus.PENDING and after in OPEN:
        return [MailOrder(order_id=order_id, kind="placed")]
    if before in OPEN and after in FINAL:
        return [MailOrder(order_id=order_id, kind="final")]
    return [MailUnitRefunded(unit_id=min(refunded))] if refunded else []


async def compose(
    db: Database,
    parts: OrderParts,
    job: MailOrder | MailUnitRefunded,
    public_url: str,
    *,
    now: datetime,
) -> Mail | None:
    """
    Return the mail that the job asks for, and record which keys it shows the customer.

    None: the customer is deleted or erased, the order is deleted, or the mail is no longer true: an
    order that is final is not announced as placed.

    Raises:
        DatabaseUnavailable: the database does not answer, or does not record what is shown.
    """
    values = _shop_values(parts.seller, public_url)
    if isinstance(job, MailUnitRefunded):
        return await _compose_refund(db, job, values)
    async with db.read() as reader:
        order = await show_queries.find_order(reader, job.order_id)
        if order is None or order.status not in (FINAL if job.kind == "final" else OPEN):
            return None
        recipient = await mail_queries.find_recipient(reader, order.user_id)
        if recipient is None:
            return None
        texts = await read_keys(reader, parts.vault, order.id) if job.kind == "final" else {}
    shown = _keys_by_game(order, texts)
    ids = [key_id for keys in shown.values() for key_id in keys]
    if ids:
        async with db.transaction() as tx:
            await record_reveals(tx, ids, user_id=recipient.id, now=now)
    return Mail(
        id=f"order-{order.id}-{job.kind}" + (f"-{job.copy}" if job.copy else ""),
        to=recipient.email,
        template=f"order_{job.kind}",
        values=values | _order_values(order, recipient),
        lines=_lines(order, shown),
    )


def _shop_values(seller: Seller, public_url: str) -> dict[str, str]:
    return {
        "shop_url": public_url.rstrip("/"),
        "seller_name": seller.name,
        "seller_address": seller.address,
        "seller_vat_note": seller.vat_note,
    }


def _order_values(order: OrderAnswer, to: Recipient) -> dict[str, str]:
    return {
        "nickname": to.nickname,
        "order": order.id[:_SHOWN_ID],
        "placed_on": order.created_at[: len("2026-06-15")],
        "status": order.status,
        "subtotal": _amount(order.subtotal),
        "discount": _amount_or_nothing(order.discount),
        "total": _amount(order.total),
        "refunded": _amount_or_nothing(order.refunded),
    }


def _keys_by_game(order: OrderAnswer, texts: Mapping[str, Secret]) -> dict[str, dict[str, Secret]]:
    """Return the texts of the order's keys by game and key; a refunded key is not mailed."""
    keys: dict[str, dict[str, Secret]] = {}
    if order.status == OrderStatus.COMPLETED:
        for key in order.keys:
            if key.id in texts and not key.revoked:
                keys.setdefault(key.game_id, {})[key.id] = texts[key.id]
    return keys


def _lines(order: OrderAnswer, keys: Mapping[str, Mapping[str, Secret]]) -> list[MailLine]:
    games: dict[str, list[ItemInOrder]] = {}
    for item in order.items:
        games.setdefault(item.game_id, []).append(item)
    return [_line(order, items, keys.get(game_id, {})) for game_id, items in games.items()]


def _line(order: OrderAnswer, items: Sequence[ItemInOrder], keys: Mapping[str, Secret]) -> MailLine:
    quantity = sum(item.quantity for item in items)
    refunded = sum(item.refunded for item in items)
    is_complete = order.status == OrderStatus.COMPLETED
    return {
        "title": items[0].game.title,
        "quantity": str(quantity),
        "amount": _amount(sum((item.price * item.quantity for item in items), Decimal(0))),
        "refunded": _count_or_nothing(refunded),
        # Their text cannot be unsealed, or another program has delivered them in another way.
        "missing": _count_or_nothing(quantity - refunded - len(keys) if is_complete else 0),
        "key_texts": list(keys.values()),
    }


async def _compose_refund(
    db: Database, job: MailUnitRefunded, values: Mapping[str, str]
) -> Mail | None:
    async with db.read() as reader:
        games = await mail_queries.list_refunded(reader, job.unit_id)
        recipient = await mail_queries.find_recipient(reader, games[0].user_id) if games else None
    if recipient is None:
        return None
    return Mail(
        id=f"unit-{job.unit_id}-refunded",
        to=recipient.email,
        template="unit_refunded",
        values={
            **values,
            "nickname": recipient.nickname,
            "order": games[0].order_id[:_SHOWN_ID],
            "placed_on": games[0].placed_at.date().isoformat(),
            "refunded": _amount_or_nothing(sum((game.amount for game in games), Decimal(0))),
            "is_revoked": "yes" if any(game.is_revoked for game in games) else "",
        },
        lines=[_refunded_line(game) for game in games],
    )


def _refunded_line(game: RefundedGame) -> MailLine:
    return {
        "title": game.title,
        "quantity": str(game.units),
        "amount": _amount(game.amount),
        "refunded": "",
        "missing": "",
        "key_texts": [],
    }


def _amount(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _amount_or_nothing(amount: Decimal) -> str:
    return _amount(amount) if amount else ""


def _count_or_nothing(count: int) -> str:
    return str(count) if count > 0 else ""
