"""Add to the timeline of an order."""

from collections.abc import Sequence
from datetime import datetime

from keyshop.kit.database.transaction import Transaction
from keyshop.orders import queries
from keyshop.orders.queries import Event


async def record_events(
    tx: Transaction, order_id: str, events: Sequence[Event], *, now: datetime
) -> None:
    """
    Record what happened to an order, in the transaction in which it happens.

    Events are never changed or deleted, so `details` holds ids and amounts, and no key or name.
    """
    if events:
        await queries.add_events(tx, order_id, events, now=now)
