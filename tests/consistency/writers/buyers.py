"""Writes a buyer's money and orders with the operations of the shop."""

from secrets import token_hex
from typing import Final

from keyshop.keys.add_key import KeyText, add_keys
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.models import KeySource
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.lock_order import lock_order
from keyshop.orders.models import RefundCause, RequestedItem
from keyshop.orders.place import PlaceRequest, place_order
from keyshop.orders.refund import refund_units
from keyshop.wallet.ledger import credit, lock_wallet
from keyshop.wallet.models import Payment
from tests.consistency.contents import ALWAYS, SOLD_GAME, token_family_of, user_of
from tests.consistency.keys import (
    FIRST_VERSION,
    OF_ORDERS,
    Family,
    Key,
    Kind,
    choose_personal,
    keys_of,
    of_kind,
)
from tests.consistency.orders import KEY_MARK, time_of_order
from tests.consistency.wallets import (
    CENT,
    CHANGE_ORDERS,
    UNITS,
    Step,
    holdings_of,
    step_after,
)
from tests.consistency.writers.config import Writing
from tests.consistency.writers.in_transaction import Versions, write_in_transaction

_COUNT: Final = 'SELECT count(*) FROM transactions WHERE "userId" = $1'
_FIND_UNIT: Final = """
    SELECT id, order_id FROM keyshop.order_units WHERE user_id = $1 AND state = 'DELIVERED'
    ORDER BY id LIMIT 1
"""
_COUNT_FREE: Final = """
    SELECT count(*) FROM keyshop.vault_keys WHERE game_id = $1 AND state = 'free'
"""
_STOCK: Final = 100  # keys
_CREDIT: Final = Payment(method="operator", description="Consistency check")
_CAUSE: Final = RefundCause(reason="Consistency check", by="checker", is_requested=True)


class BuyerWriter:
    """Makes the next step of one buyer."""

    def __init__(self, writing: Writing, db: Database, orders: OrderParts) -> None:
        self._writing = writing
        self._db = db
        self._orders = orders
        self._keys = of_kind(Kind.BUYER)

    async def write(self) -> None:
        """Write the next version of one buyer's data."""
        keys = keys_of(choose_personal(self._writing.dice, self._keys).owner)
        async with self._db.transaction() as tx:
            version = await _lock_version(tx, keys[Family.BALANCE])
        if step_after(version) is Step.ORDER:
            await self._order(keys, version)
        else:
            await self._write_in_transaction(keys)

    async def _order(self, keys: dict[Family, Key], version: int) -> None:
        await self._fill_stock()
        key = keys[Family.BALANCE]
        request = PlaceRequest(
            user_id=user_of(key.owner),
            family_id=token_family_of(key.owner, ALWAYS),
            items=[RequestedItem(game_id=SOLD_GAME, quantity=UNITS)],
            idempotency_key=new_id(),
        )
        now = time_of_order(utc_now(), holdings_of(key.kind, version).orders)
        async with self._writing.noted(_next_versions(keys, version)):
            await place_order(self._db, self._orders, request, now=now)

    async def _fill_stock(self) -> None:
        async with self._db.transaction() as tx:
            if await tx.fetchval(_COUNT_FREE, SOLD_GAME) < UNITS:
                texts = [Secret(f"{KEY_MARK}-{token_hex(8)}") for _ in range(_STOCK)]
                keys = [KeyText(SOLD_GAME, text) for text in texts]
                await add_keys(tx, self._orders.vault, keys, source=KeySource.OWN, now=utc_now())
                await lock_games(tx, [SOLD_GAME])
                await update_in_stock(tx, [SOLD_GAME], utc_now())

    async def _write_in_transaction(self, keys: dict[Family, Key]) -> None:
        key = keys[Family.BALANCE]
        version = 0

        async def choose(tx: Transaction) -> Versions:
            nonlocal version
            version = await _lock_version(tx, key)
            return _next_versions(keys, version)

        async def change(tx: Transaction, versions: Versions) -> None:
            user, step = user_of(key.owner), step_after(version)
            if step in CHANGE_ORDERS:
                await _refund(tx, user)
            # A version that is rolled back is far above the next one, with more credits.
            cents = _cents(key, versions[key.number]) - _cents(key, version)
            if cents:
                await credit(tx, user_id=user, amount=cents * CENT, payment=_CREDIT, now=utc_now())

        await write_in_transaction(self._writing, self._db, choose=choose, change=change)


async def _refund(tx: Transaction, user: str) -> None:
    """Refund one of the keys that the buyer has."""
    unit = await tx.fetchrow(_FIND_UNIT, user)
    assert unit is not None
    order = await lock_order(tx, unit["order_id"])
    await refund_units(tx, order, [unit["id"]], _CAUSE, now=utc_now())


def _cents(key: Key, version: int) -> int:
    return holdings_of(key.kind, version).cents


async def _lock_version(tx: Transaction, key: Key) -> int:
    """Lock the buyer, and return the version that the rows of the ledger are."""
    user = user_of(key.owner)
    await lock_wallet(tx, user)
    rows: int = await tx.fetchval(_COUNT, user)
    return FIRST_VERSION + rows - 1


def _next_versions(keys: dict[Family, Key], version: int) -> Versions:
    changes_orders = step_after(version) in CHANGE_ORDERS
    return {
        key.number: version + 1
        for key in keys.values()
        if changes_orders or key.family not in OF_ORDERS
    }
