"""Give money back for units that will not be delivered, or whose keys an operator takes back."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from keyshop.keys.take_keys import mark_revoked
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.orders import change_queries as queries
from keyshop.orders.errors import BuyingPaused, CustomerNotFound, UnitChanged
from keyshop.orders.lock_order import lock_order_of
from keyshop.orders.mails import order_mails
from keyshop.orders.models import (
    LockedOrder,
    RefundCause,
    Refunded,
    Unit,
    UnitRef,
    UnitState,
)
from keyshop.orders.queries import Event
from keyshop.orders.recompute import recompute
from keyshop.orders.record_event import record_events
from keyshop.orders.rules import is_wholly_refunded, may_refund, order_state
from keyshop.promotions.give_back import give_back
from keyshop.wallet import ledger

SHOP: Final = "shop"

ATTEMPTS: Final = 5
"""Of a transaction that collides with another one."""

_NOTHING: Final = Decimal("0.00")


async def refund(tx: Transaction, unit: UnitRef, reason: str, *, now: datetime) -> Refunded | None:
    """
    Give back what an open unit cost, because the shop cannot deliver it; None: it is final.

    Raises:
        BuyingPaused: it is unknown, after a restore, what was delivered.
        DatabaseBusy: as `lock_order_of`.
    """
    order = await lock_order_of(tx, unit)
    if order is None:
        return None  # `refund_orphans` refunds it
    cause = RefundCause(reason=reason, by=SHOP, is_requested=False)
    return await refund_units(tx, order, [unit.id], cause, now=now)


async def refund_units(
    tx: Transaction,
    order: LockedOrder,
    unit_ids: Collection[str],
    cause: RefundCause,
    *,
    now: datetime,
) -> Refunded | None:
    """
    Give back what these units of the order cost, in one row of the ledger.

    Each unit is refunded once: final ones are left out, and so are delivered ones unless a person asks
    for it. Keys that were delivered are revoked. None: no unit was left.

    Raises:
        BuyingPaused: it is unknown, after a restore, what was delivered.
        CustomerNotFound: the customer who paid is deleted, and the order is now another one's.
    """
    if await queries.is_paused(tx):
        raise BuyingPaused
    wanted = [
        unit
        for unit in order.units
        if unit.id in unit_ids and may_refund(unit.state, requested=cause.is_requested)
    ]
    if not wanted:
        return None
    if not order.has_payer:
        raise CustomerNotFound
    amount = await pay_back(tx, order.payer_id, wanted, cause, now=now)
    await mark_revoked(tx, [unit.id for unit in wanted if unit.vault_key_id], now)
    units = [_refunded(unit, cause) if unit in wanted else unit for unit in order.units]
    # Another program may have changed the stored status, and the mail is due all the same.
    before = order_state(order.units).status
    status = await recompute(tx, order.id, order.status, units, actor=cause.by, now=now)
    for job in order_mails(order.id, before, status, refunded=[unit.id for unit in wanted]):
        await enqueue(tx, job)
    if is_wholly_refunded(units):
        await give_back(tx, order.id, now=now)
    return Refunded(
        order_id=order.id,
        unit_ids=[unit.id for unit in wanted],
        amount=amount,
        status=status,
    )


async def pay_back(
    tx: Transaction, payer_id: str, units: Sequence[Unit], cause: RefundCause, *, now: datetime
) -> Decimal:
    """
    Credit the customer with what the units of one order cost, make them final, and return the sum.

    The caller holds the customer, who exists, and the units.

    Raises:
        UnitChanged: a unit was refunded before.
    """
    order_id = units[0].order_id
    amount = sum((unit.charged for unit in units), _NOTHING)
    entry = await ledger.refund(
        tx, user_id=payer_id, amount=amount, description=f"Refund of order {order_id}", now=now
    )
    transaction_id = entry.id if entry else None
    if not await queries.add_refunds(tx, units, cause, transaction_id, now=now):
        raise UnitChanged
    if not await queries.refund_units(tx, units, now=now):
        raise UnitChanged
    await record_events(
        tx,
        order_id,
        [
            Event(
                kind="unit.refunded",
                actor=cause.by,
                unit_id=unit.id,
                details={"amount": str(unit.charged), "transaction_id": transaction_id},
            )
            for unit in units
        ],
        now=now,
    )
    return amount


def _refunded(unit: Unit, cause: RefundCause) -> Unit:
    return replace(
        unit,
        state=UnitState.REFUNDED,
        next_at=None,
        version=unit.version + 1,
        is_requested=cause.is_requested,
    )
