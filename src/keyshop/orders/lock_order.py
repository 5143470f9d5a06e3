"""Lock an order before it changes: the customer, the order, its units, always in this order."""

from keyshop.kit.database.errors import DatabaseBusy
from keyshop.kit.database.transaction import Transaction
from keyshop.orders import change_queries as queries
from keyshop.orders.errors import NotPlacedHere, OrderNotFound
from keyshop.orders.models import LockedOrder, UnitRef
from keyshop.wallet.ledger import lock_wallet


async def lock_order(tx: Transaction, order_id: str) -> LockedOrder:
    """
    Return the order with all its units, locked until the transaction ends.

    The customer who paid is locked as well, an erased one too.

    Raises:
        OrderNotFound: there is no such order.
        NotPlacedHere: another program has placed it.
        DatabaseBusy: another program changes the ids of order or customer now.
    """
    if await queries.find_owner(tx, order_id) is None:
        raise OrderNotFound
    payer_id = await queries.find_payer(tx, order_id)
    if payer_id is None:
        raise NotPlacedHere(order_id)
    has_payer = await lock_wallet(tx, payer_id) is not None
    order = await queries.lock_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    if await queries.find_payer(tx, order_id) != payer_id:
        raise DatabaseBusy
    return LockedOrder(
        id=order.id,
        payer_id=payer_id,
        has_payer=has_payer,
        owner_id=order.user_id,
        status=order.status,
        units=await queries.lock_units(tx, order_id),
    )


async def lock_order_of(tx: Transaction, unit: UnitRef) -> LockedOrder | None:
    """
    Return the order of the unit, as `lock_order`; None: another program has deleted it.

    Raises:
        DatabaseBusy: as `lock_order`, or the order has another id since the unit was read.
    """
    try:
        return await lock_order(tx, unit.order_id)
    except OrderNotFound:
        found = await queries.find_unit(tx, unit.id)
        if found is not None and found.order_id != unit.order_id:
            raise DatabaseBusy from None
        return None
