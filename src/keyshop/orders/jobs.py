"""Jobs of orders: mails to send, units to work on."""

from datetime import datetime
from typing import ClassVar, Literal

from keyshop.kit.jobs import Job


class UnitDue(Job, frozen=True):
    """It is time to work on an open unit; `order_units.next_at` decides whether that is true."""

    name: ClassVar[str] = "orders.unit_due"
    unit_id: str


class OrphansDue(Job, frozen=True):
    """It is time to refund the open units of orders that another program has deleted."""

    name: ClassVar[str] = "orders.orphans_due"
    due_at: datetime


class MailOrder(Job, frozen=True):
    """Send a customer the state of an order: placed, waiting for keys, or final."""

    name: ClassVar[str] = "mail_order"
    order_id: str
    kind: Literal["placed", "waiting", "final"]


class MailUnitRefunded(Job, frozen=True):
    """Inform a customer that one unit of an order was refunded, which no final mail will say."""

    name: ClassVar[str] = "mail_unit_refunded"
    unit_id: str
