"""An operator sends a customer the mail about an order again."""

from datetime import datetime
from typing import Final, Literal

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.orders import change_queries, mail_queries
from keyshop.orders.errors import NoAddress, NothingToSend, OrderNotFound
from keyshop.orders.jobs import MailOrder
from keyshop.orders.mails import FINAL, OPEN
from keyshop.orders.queries import Event
from keyshop.orders.record_event import record_events

_RESENT: Final = "mail.resent"


async def resend(tx: Transaction, order_id: str, *, by: str, now: datetime) -> MailOrder:
    """
    Enqueue the mail of the order as it is now, under a new id, and return its job.

    That of a final order has its keys; that of an open one confirms it.

    Raises:
        OrderNotFound: there is no such order.
        NoAddress: the customer was erased.
        NothingToSend: another program has placed the order, which is still open.
    """
    order = await change_queries.lock_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    if await mail_queries.find_recipient(tx, order.user_id) is None:
        raise NoAddress
    is_ours = await change_queries.find_payer(tx, order_id) is not None
    if order.status not in FINAL and not (is_ours and order.status in OPEN):
        raise NothingToSend
    # Under the order's lock, so that no two mails have one number.
    copy = 1 + await mail_queries.count_events(tx, order_id, _RESENT)
    kind: Literal["final", "placed"] = "final" if order.status in FINAL else "placed"
    job = MailOrder(order_id=order_id, kind=kind, copy=copy)
    await enqueue(tx, job)
    event = Event(kind=_RESENT, actor=by, details={"mail": kind, "copy": copy})
    await record_events(tx, order_id, [event], now=now)
    await record(
        tx,
        actor=by,
        action="orders.resend",
        subject=Subject("order", order_id),
        details={"mail": kind, "copy": copy},
        now=now,
    )
    return job
