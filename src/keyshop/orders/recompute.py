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
    before: str,
    units: Collection[Unit],
    *,
    actor: str,
    now: datetime,
) -> OrderStatus:
    """
    Store the status that all units of the order give it, record each step, and return it.

    The caller has locked the order, or added it in this transaction. A status that another program has
    set, and from which no transition leads here, is corrected: it must not stop a refund.

    Raises:
        TransitionRefused: the order's status is not `before`.
    """
    after = order_state(units)
    events = _list_events(before, after.status, actor)
    if not await queries.set_state(tx, order_id, before, after, now=now):
        raise TransitionRefused(before, after.status)
    await record_events(tx, order_id, events, now=now)
    return after.status


def _list_events(before: str, after: OrderStatus, actor: str) -> list[Event]:
    try:
        steps = list_steps(OrderStatus(before), after)
    except (ValueError, TransitionRefused):
        return [
            Event(
                kind="order.status_corrected",
                actor=actor,
                details={"before": before, "after": after},
            )
        ]
    return [Event(kind=f"order.{step.lower()}", actor=actor) for step in steps]
