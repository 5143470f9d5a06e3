"""Cancel an order of which no key was delivered yet."""

from datetime import datetime
from typing import Final

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.orders import change_queries as queries
from keyshop.orders.errors import NotCancellable, NotPlacedHere, OrderNotFound
from keyshop.orders.lock_order import lock_order
from keyshop.orders.models import LockedOrder, RefundCause, Refunded
from keyshop.orders.place import ACTOR as CUSTOMER
from keyshop.orders.refund import ATTEMPTS, refund_units
from keyshop.orders.rules import clean_reason, is_wholly_refunded, may_cancel

_NO_REASON: Final = "cancelled by the customer"


async def cancel_own_order(
    db: Database, order_id: str, *, user_id: str, reason: str | None = None, now: datetime
) -> None:
    """
    Cancel an order of the user's, and refund all of it; one that is cancelled stays so.

    Raises:
        BadReason: the reason cannot be stored.
        OrderNotFound: it is no order of the user's.
        NotCancellable: a key is delivered, or nothing is left to cancel.
        BuyingPaused: it is unknown, after a restore, what was delivered.
        DatabaseUnavailable: as `Database.run`.
    """
    reason = clean_reason(reason) if reason and reason.strip() else _NO_REASON
    cause = RefundCause(reason=reason, by=CUSTOMER, is_requested=True)

    async def work(tx: Transaction) -> None:
        # Before the locks, so that an id that was guessed locks nothing of another customer.
        if await queries.find_owner(tx, order_id) != user_id:
            raise OrderNotFound
        try:
            order = await lock_order(tx, order_id)
        except NotPlacedHere:
            raise NotCancellable from None
        if order.owner_id != user_id:
            raise OrderNotFound
        # The stored status is not asked: another program may have set it without a refund.
        if not is_wholly_refunded(order.units):
            await _cancel(tx, order, cause, now=now)

    await db.run(work, attempts=ATTEMPTS)


async def cancel_order(
    db: Database, order_id: str, *, by: str, reason: str, now: datetime
) -> Refunded:
    """
    Cancel an order as its customer may, and refund all of it.

    Raises:
        BadReason: the reason cannot be stored.
        OrderNotFound: there is no such order.
        NotPlacedHere: another program has placed it.
        NotCancellable: a key is delivered, or nothing is left to cancel.
        BuyingPaused: it is unknown, after a restore, what was delivered.
        DatabaseUnavailable: as `Database.run`.
    """
    cause = RefundCause(reason=clean_reason(reason), by=by, is_requested=True)

    async def work(tx: Transaction) -> Refunded:
        order = await lock_order(tx, order_id)
        refunded = await _cancel(tx, order, cause, now=now)
        await record(
            tx,
            actor=by,
            action="orders.cancel",
            subject=Subject("order", order_id),
            details={"amount": str(refunded.amount), "units": len(refunded.unit_ids)},
            now=now,
        )
        return refunded

    return await db.run(work, attempts=ATTEMPTS)


async def _cancel(
    tx: Transaction, order: LockedOrder, cause: RefundCause, *, now: datetime
) -> Refunded:
    if not may_cancel(order.units):
        raise NotCancellable
    unit_ids = [unit.id for unit in order.units]
    refunded = await refund_units(tx, order, unit_ids, cause, now=now)
    if refunded is None:
        raise NotCancellable
    return refunded
