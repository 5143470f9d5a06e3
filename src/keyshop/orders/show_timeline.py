"""An order with its units and its history, for an operator."""

from msgspec import Struct

from keyshop.journal.models import Entry, Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.transaction import Reader
from keyshop.orders import operator_queries as queries
from keyshop.orders.errors import OrderNotFound
from keyshop.orders.jobs import MailOrder, MailUnitRefunded, UnitDue
from keyshop.orders.operator_queries import OrderSummary, ShownUnit, TimelineEntry


class OrderReport(Struct, frozen=True, kw_only=True):
    """All that the shop knows of an order, but for the texts of its keys."""

    order: OrderSummary
    units: list[ShownUnit]
    timeline: list[TimelineEntry]
    """Events, lines of the ledger, sent mails, and jobs that have not ended; the oldest first."""

    journal: list[Entry]
    """What operators did, the latest first."""


async def show_timeline(reader: Reader, order_id: str) -> OrderReport:
    """
    Return the order and its history.

    Raises:
        OrderNotFound: there is no such order.
    """
    order = await queries.find_summary(reader, order_id)
    if order is None:
        raise OrderNotFound
    jobs = [job.name for job in (UnitDue, MailOrder, MailUnitRefunded)]
    return OrderReport(
        order=order,
        units=await queries.list_units(reader, order_id),
        timeline=await queries.list_timeline(reader, order_id, jobs=jobs),
        journal=await list_entries(reader, Subject("order", order_id)),
    )
