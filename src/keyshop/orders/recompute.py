"""The one change of an order's status: what its units make of it."""

from collections.abc import Collection
from datetime import datetime

from keyshop.kit.database.transaction import Transaction
from keyshop.orders import queries
from keyshop.orders.errors import TransitionRefused
from keyshop.orders.models import OrderStatus, Unit
from keyshop.orders.queries import Event
from keyshop.orders.record_event import record_events
from keyshop.orders.rules import list_steps, order_state


async def recompute(
    tx: Transaction,
    order_id: str,
    before: OrderStatus,
    units: Collection[Unit],
    *,
    actor: str,
    now: datetime,
) -> OrderStatus:
    """
    Store the status that all units of the order give it, record each step, and return it.

    The caller has locked the order, or added it in this transaction.

    Raises:
        TransitionRefused: the table of transitions does not lead there, or another program has
            changed the status.
    """
    after = order_state(units)
    steps = list_steps(before, after.status)
    if not await queries.set_state(tx, order_id, before, after, now=now):
        raise TransitionRefused(before, after.status)
    await record_events(
        tx, order_id, [Event(kind=f"order.{step.lower()}", actor=actor) for step in steps], now=now
    )
    return after.status
