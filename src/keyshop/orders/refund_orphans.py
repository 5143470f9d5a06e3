"""Refund the units that were open when another program deleted their order."""

from datetime import datetime
from typing import Final

import asyncpg
import structlog

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import enqueue
from keyshop.orders import change_queries as queries
from keyshop.orders.jobs import MailUnitRefunded
from keyshop.orders.models import RefundCause, Unit, UnitState
from keyshop.orders.queries import Event
from keyshop.orders.record_event import record_events
from keyshop.orders.refund import ATTEMPTS, SHOP, pay_back
from keyshop.orders.rules import is_wholly_refunded
from keyshop.promotions.give_back import give_back
from keyshop.wallet.ledger import lock_wallet

_CAUSE: Final = RefundCause(reason="order deleted", by=SHOP, is_requested=False)

_log = structlog.get_logger(__name__)


async def refund_orphans(db: Database, *, now: datetime) -> int:
    """
    Refund all orphaned units, each order in a transaction of its own; return how many.

    Those of a customer who is deleted too are closed without a refund. While it is unknown, after a
    restore, what was delivered, nothing is done. An order that fails is logged and left for the next
    time.

    Raises:
        DatabaseUnavailable: as `Database.run`.
    """
    async with db.read() as reader:
        if await queries.is_paused(reader):
            return 0
        order_ids = await queries.list_orphans(reader, now=now)
    refunded = 0
    for order_id in order_ids:
        try:
            refunded += await _refund(db, order_id, now=now)
        except asyncpg.PostgresError as error:
            _log.error("orders.orphan_failed", order_id=order_id, reason=str(error))
    return refunded


async def _refund(db: Database, order_id: str, *, now: datetime) -> int:
    async def work(tx: Transaction) -> int:
        payer_id = await queries.find_payer(tx, order_id)
        has_payer = payer_id is not None and await lock_wallet(tx, payer_id) is not None
        units = await queries.lock_units(tx, order_id)
        orphans = [unit for unit in units if _is_due(unit)]
        if not orphans:
            return 0
        if payer_id is None or not has_payer:
            await _close(tx, orphans, now=now)
            return 0
        await pay_back(tx, payer_id, orphans, _CAUSE, now=now)
        # One mail names all units that are refunded together.
        await enqueue(tx, MailUnitRefunded(unit_id=orphans[0].id))
        if is_wholly_refunded(units):
            await give_back(tx, order_id, now=now)
        return len(orphans)

    return await db.run(work, attempts=ATTEMPTS)


def _is_due(unit: Unit) -> bool:
    return unit.state is UnitState.ORPHANED and unit.next_at is not None


async def _close(tx: Transaction, orphans: list[Unit], *, now: datetime) -> None:
    await queries.close_units(tx, [unit.id for unit in orphans], now=now)
    events = [Event(kind="unit.customer_deleted", actor=SHOP, unit_id=each.id) for each in orphans]
    await record_events(tx, orphans[0].order_id, events, now=now)
