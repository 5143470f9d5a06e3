"""An operator gives a customer's money back, for an order or for one unit of it."""

from datetime import datetime

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.orders.errors import AlreadyRefunded, NothingToRefund, UnitNotFound
from keyshop.orders.get_order_id import SHOWN_LENGTH
from keyshop.orders.lock_order import lock_order
from keyshop.orders.models import LockedOrder, RefundCause, Refunded
from keyshop.orders.refund import ATTEMPTS, refund_units
from keyshop.orders.rules import clean_reason


async def refund_order(
    db: Database,
    order_id: str,
    *,
    unit_id: str | None = None,
    by: str,
    reason: str,
    now: datetime,
) -> Refunded:
    """
    Refund one unit, or all that are left; delivered ones too, whose keys are revoked.

    Raises:
        BadReason: the reason cannot be stored.
        OrderNotFound: there is no such order.
        UnitNotFound: the order has no such unit.
        NotPlacedHere: another program has placed the order.
        AlreadyRefunded, NothingToRefund: it was refunded before.
        BuyingPaused: it is unknown, after a restore, what was delivered.
        DatabaseUnavailable: as `Database.run`.
    """
    cause = RefundCause(reason=clean_reason(reason), by=by, is_requested=True)

    async def work(tx: Transaction) -> Refunded:
        order = await lock_order(tx, order_id)
        unit_ids = _select_units(order, unit_id)
        refunded = await refund_units(tx, order, unit_ids, cause, now=now)
        if refunded is None:
            raise NothingToRefund if unit_id is None else AlreadyRefunded
        await record(
            tx,
            actor=by,
            action="orders.refund",
            subject=Subject("order", order_id),
            details={
                "amount": str(refunded.amount),
                "units": len(refunded.unit_ids),
                "unit_id": None if unit_id is None else refunded.unit_ids[0],
            },
            now=now,
        )
        return refunded

    return await db.run(work, attempts=ATTEMPTS)


def _select_units(order: LockedOrder, unit_id: str | None) -> list[str]:
    unit_ids = [unit.id for unit in order.units]
    if unit_id is None:
        return unit_ids
    # As of orders, people read and type the first letters of an id; fewer may be a slip.
    found = [each for each in unit_ids if each.startswith(unit_id.lower())]
    if len(found) != 1 or len(unit_id) < SHOWN_LENGTH:
        raise UnitNotFound(unit_id)
    return found
