"""Writes a buyer's money and orders as Prisma does: in SQL, without the shop's code."""

from time import monotonic_ns
from typing import Final

from tests.consistency.contents import user_of
from tests.consistency.keys import Family, Key, Kind, choose_personal, keys_of, of_kind
from tests.consistency.wallets import Entry, balance_of, read_balance, read_ledger
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


class ForeignBuyerWriter:
    """Writes over its own connection to PostgreSQL, which is reopened when it is cut."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._keys = of_kind(Kind.FOREIGN_BUYER)
        self._connection = ForeignConnection(writing.config.database_url)

    async def write(self) -> None:
        """Change one buyer's balance or ledger."""
        key = choose_personal(self._writing.dice, self._keys)
        async with self._connection.used() as connection:
            old = await _lock_version(connection, key)
            versions = {changed.number: old + 1 for changed in _changed_with(key)}
            is_undone = self._writing.is_undone()
            if is_undone:
                versions = self._writing.far_above(versions)
            invoked = monotonic_ns()
            if not is_undone:
                self._writing.note_tried(versions, invoked)
            block = connection.transaction()
            if is_undone:
                await block.start()
            await _put_version(connection, key, old=old, new=versions[key.number])
            if is_undone:
                await block.rollback()
            else:
                self._writing.note_acknowledged(versions, invoked)


def _changed_with(key: Key) -> list[Key]:
    """Return the keys that change together: a profile shows the balance."""
    keys = keys_of(key.owner)
    return next(
        [keys[family] for family in families] for families in _TOGETHER if key.family in families
    )


_TOGETHER: Final = ((Family.PROFILE, Family.BALANCE), (Family.TRANSACTIONS,))


async def _lock_version(rows: Rows, key: Key) -> int:
    """Lock the rows and return their version, as `person_rows.lock_version`."""
    user = user_of(key.owner)
    [found] = await rows.fetch(_LOCK_USER, user)
    if key.family is Family.TRANSACTIONS:
        entries = [Entry(**record) for record in await rows.fetch(_ENTRIES, user)]
        version = read_ledger(key.kind, entries).version
    else:
        version = read_balance(key.kind, found["balance"]).version
    assert version is not None
    return version


async def _put_version(rows: Rows, key: Key, *, old: int, new: int) -> None:
    """Change the old version to the new one; the next version takes a single statement."""
    user = user_of(key.owner)
    if key.family is not Family.TRANSACTIONS:
        await rows.execute(_PUT_BALANCE, user, balance_of(key.kind, key.owner, new))
    elif old % 2:
        await rows.execute(_SETTLE, user)
    else:
        await rows.execute(_ADD_ENTRY, user, "PENDING", 1)
    if key.family is Family.TRANSACTIONS and new > old + 1:
        await rows.execute(_ADD_ENTRY, user, "COMPLETED", (new - old - 1) // 2)
