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


class MailOrder(Job, frozen=True, omit_defaults=True):
    """Send a customer the state of an order: placed, waiting for keys, or final."""

    name: ClassVar[str] = "mail_order"
    order_id: str
    kind: Literal["placed", "waiting", "final"]
    copy: int = 0
    """Counts the mails that an operator sends again; each has an id of its own."""


class MailUnitRefunded(Job, frozen=True):
    """Inform a customer of a refund that no final mail will name; the unit is one of those refunded."""

    name: ClassVar[str] = "mail_unit_refunded"
    unit_id: str
