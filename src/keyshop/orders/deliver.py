"""Deliver a key to a unit: the one way in which an order that was placed before gets one."""

from datetime import datetime

import structlog
from msgspec.structs import replace

from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.lock_key import lock_key
from keyshop.keys.models import KeySource, KeyState, LockedKey
from keyshop.keys.take_keys import mark_delivered
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.orders import unit_queries
from keyshop.orders.errors import BuyingPaused, KeyNotFree, UnitChanged
from keyshop.orders.lock_order import lock_order_of
from keyshop.orders.mails import order_mails
from keyshop.orders.models import (
    Delivery,
    DeliveryOutcome,
    LockedOrder,
    Unit,
    UnitRef,
    UnitState,
)
from keyshop.orders.queries import Event, raise_seq
from keyshop.orders.recompute import recompute
from keyshop.orders.record_event import record_events
from keyshop.orders.refund import SHOP
from keyshop.orders.rules import order_state

_log = structlog.get_logger(__name__)


async def deliver(tx: Transaction, unit: UnitRef, vault_key_id: str, *, now: datetime) -> Delivery:
    """
    Give a free key to the unit; a unit that is final leaves it free, in own stock, with an alarm.

    It ends with the lock on `buying_state`, so nothing but the COMMIT comes after it; then the process
    raises its high-water mark to `seq`.

    Raises:
        KeyNotFree: the key is another unit's, held or revoked.
        BuyingPaused: it is an own key, and deliveries are paused after a restore.
        DatabaseBusy: as `lock_order_of`.
    """
    order = await lock_order_of(tx, unit)
    key = await lock_key(tx, vault_key_id)
    if key is not None and key.unit_id == unit.id:
        return Delivery(outcome=DeliveryOutcome.ALREADY)
    if key is None or key.state is not KeyState.FREE:
        raise KeyNotFree(vault_key_id)
    is_open = order is not None and any(
        each.id == unit.id and each.state is UnitState.OPEN for each in order.units
    )
    if order is None or not is_open:
        return await _keep(tx, unit, key, now=now)
    return await _deliver(tx, order, unit.id, key, now=now)


async def _deliver(
    tx: Transaction, order: LockedOrder, unit_id: str, key: LockedKey, *, now: datetime
) -> Delivery:
    [wanted] = [unit for unit in order.units if unit.id == unit_id]
    if not await unit_queries.deliver_units(tx, [wanted], [key.id], now=now):
        raise UnitChanged
    if not await mark_delivered(
        tx, vault_key_id=key.id, order_id=order.id, unit_id=unit_id, now=now
    ):
        raise KeyNotFree(key.id)
    event = Event(
        kind="unit.delivered",
        actor=SHOP,
        unit_id=unit_id,
        details={"vault_key_id": key.id, "source": key.source.value},
    )
    await record_events(tx, order.id, [event], now=now)
    units = [_delivered(unit, key.id) if unit is wanted else unit for unit in order.units]
    # Another program may have changed the stored status, and the mail is due all the same.
    before = order_state(order.units).status
    status = await recompute(tx, order.id, order.status, units, actor=SHOP, now=now)
    for job in order_mails(order.id, before, status):
        await enqueue(tx, job)
    await lock_games(tx, [key.game_id])
    await update_in_stock(tx, [key.game_id], now)
    if key.source is not KeySource.OWN:
        return Delivery(outcome=DeliveryOutcome.DELIVERED)
    seq = await raise_seq(tx)
    if seq is None:
        raise BuyingPaused
    return Delivery(outcome=DeliveryOutcome.DELIVERED, seq=seq)


async def _keep(tx: Transaction, unit: UnitRef, key: LockedKey, *, now: datetime) -> Delivery:
    """Leave the key of a final unit in own stock; it was paid for, and can be sold."""
    _log.error("orders.key_of_final_unit", unit_id=unit.id, order_id=unit.order_id, key_id=key.id)
    event = Event(
        kind="unit.key_kept", actor=SHOP, unit_id=unit.id, details={"vault_key_id": key.id}
    )
    await record_events(tx, unit.order_id, [event], now=now)
    await lock_games(tx, [key.game_id])
    await update_in_stock(tx, [key.game_id], now)
    return Delivery(outcome=DeliveryOutcome.FINAL)


def _delivered(unit: Unit, vault_key_id: str) -> Unit:
    return replace(
        unit,
        state=UnitState.DELIVERED,
        vault_key_id=vault_key_id,
        next_at=None,
        version=unit.version + 1,
    )
