"""Writes a buyer's money and orders as Prisma does: in SQL, without the shop's code."""

from time import monotonic_ns
from typing import Final

from tests.consistency.contents import mark_of, order_of, user_of
from tests.consistency.keys import (
    ABSENT,
    OF_ORDERS,
    Family,
    Key,
    Kind,
    choose_personal,
    keys_of,
    of_kind,
)
from tests.consistency.wallets import CENT, Entry, balance_of, read_balance, read_ledger
from tests.consistency.writers.config import Writing
from tests.consistency.writers.foreign_connection import ForeignConnection
from tests.consistency.writers.person_rows import Rows

_LOCK_USER: Final = "SELECT balance FROM users WHERE id = $1 FOR UPDATE"
_ENTRIES: Final = """
    SELECT amount, status::text, description FROM transactions WHERE "userId" = $1 FOR UPDATE
"""
_PUT_BALANCE: Final = """
    UPDATE users SET balance = $2, "updatedAt" = now() AT TIME ZONE 'UTC' WHERE id = $1
"""
_ADD_ENTRY: Final = """
    INSERT INTO transactions (id, "userId", type, amount, currency, method, status, description)
    SELECT gen_random_uuid()::text, $1, 'TOP_UP', 1.00, 'EUR', 'card', $2::text::"PaymentStatus",
        'Top-up'
    FROM generate_series(1, $3::integer)
"""
_SETTLE: Final = """
    UPDATE transactions SET status = 'COMPLETED' WHERE "userId" = $1 AND status = 'PENDING'
"""


_FIND_ORDER: Final = "SELECT total FROM orders WHERE id = $1 FOR UPDATE"
_ADD_ORDER: Final = """
    INSERT INTO orders (id, "userId", status, subtotal, total, "completedAt")
    VALUES ($1, $2, 'COMPLETED', $3, $3, now() AT TIME ZONE 'UTC')
"""
_ADD_ITEM: Final = """
    INSERT INTO order_items (id, "orderId", "gameId", price) VALUES ($1, $1, $2, $3)
"""
_CHANGE_ORDER: Final = "UPDATE orders SET total = $2 WHERE id = $1"
_DELETE_ORDER: Final = "DELETE FROM orders WHERE id = $1"

_TOGETHER: Final = (
    (Family.PROFILE, Family.BALANCE),  # a profile shows the balance
    (Family.TRANSACTIONS,),
    (Family.ORDERS, Family.ORDER),
)


class ForeignBuyerWriter:
    """
    Writes over its own connection to PostgreSQL, which is reopened when it is cut.

    It changes the balance, adds a row to the ledger and settles it, places an order, changes and
    deletes it. An even version is the order's total in cents, the odd one after it means that the
    order is deleted.
    """

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = of_kind(Kind.FOREIGN_BUYER)
        self._connection = ForeignConnection(writing.config.database_url)

    async def write(self) -> None:
        """Change one buyer's balance, ledger or order."""
        key = choose_personal(self._writing.dice, self._keys)
        async with self._connection.used() as connection:
            old = await _lock_version(connection, key)
            new = self._next_version(key, old)
            versions = {changed.number: new for changed in _changed_with(key)}
            is_undone = self._writing.is_undone()
            if is_undone:
                versions = self._writing.far_above(versions)
            invoked = monotonic_ns()
            if not is_undone:
                self._writing.note_tried(versions, invoked)
            block = connection.transaction()
            await block.start()
            await _put_version(connection, key, old=old, new=versions[key.number])
            if is_undone:
                await block.rollback()
            else:
                await block.commit()
                self._writing.note_acknowledged(versions, invoked)

    def close(self) -> None:
        """Close the connection at once."""
        self._connection.close()

    def _next_version(self, key: Key, old: int) -> int:
        if not key.comes_and_goes:
            return old + 1
        if old == ABSENT:
            # The total of a deleted order is lost, so the clock makes sure that versions rise.
            return 2 * ((monotonic_ns() - self._writing.config.began) // 1_000_000 + 1)
        return old + self._writing.dice.choice((1, 2))


def _changed_with(key: Key) -> list[Key]:
    """Return the keys whose versions change with this one's."""
    keys = keys_of(key.owner)
    families = next(families for families in _TOGETHER if key.family in families)
    return [keys[family] for family in families]


async def _lock_version(rows: Rows, key: Key) -> int:
    """Lock the rows and return their version, as `person_rows.lock_version`."""
    user = user_of(key.owner)
    [found] = await rows.fetch(_LOCK_USER, user)
    if key.family in OF_ORDERS:
        orders = await rows.fetch(_FIND_ORDER, order_of(key.owner))
        return int(orders[0]["total"].scaleb(2)) if orders else ABSENT
    if key.family is Family.TRANSACTIONS:
        entries = [Entry(**record) for record in await rows.fetch(_ENTRIES, user)]
        version = read_ledger(key.kind, entries).version
    else:
        version = read_balance(key.kind, found["balance"]).version
    assert version is not None
    return version


async def _put_version(rows: Rows, key: Key, *, old: int, new: int) -> None:
    """Change the old version to the new one."""
    if key.family in OF_ORDERS:
        await _put_order(rows, key, old=old, new=new)
    elif key.family is Family.TRANSACTIONS:
        await _put_entries(rows, user_of(key.owner), old=old, new=new)
    else:
        await rows.execute(_PUT_BALANCE, user_of(key.owner), balance_of(key.kind, key.owner, new))


async def _put_order(rows: Rows, key: Key, *, old: int, new: int) -> None:
    order, total = order_of(key.owner), new * CENT
    if old == ABSENT:
        await rows.execute(_ADD_ORDER, order, user_of(key.owner), total)
        await rows.execute(_ADD_ITEM, order, mark_of(key.owner), total)
    elif new % 2:
        await rows.execute(_DELETE_ORDER, order)
    else:
        await rows.execute(_CHANGE_ORDER, order, total)


async def _put_entries(rows: Rows, user: str, *, old: int, new: int) -> None:
    if old % 2:
        await rows.execute(_SETTLE, user)
    else:
        await rows.execute(_ADD_ENTRY, user, "PENDING", 1)
    if new > old + 1:
        await rows.execute(_ADD_ENTRY, user, "COMPLETED", (new - old - 1) // 2)
