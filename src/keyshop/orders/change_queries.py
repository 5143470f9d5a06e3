"""The SQL with which orders change after they were placed."""
# ruff: noqa: S608 - statements are composed of constants of this file only

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.kit.database.codecs import row, rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id
from keyshop.orders.models import RefundCause, Unit, UnitRef, UnitState

_FIND_PAYER: Final = "SELECT user_id FROM keyshop.placed_orders WHERE order_id = $1"
_FIND_OWNER: Final = 'SELECT "userId" FROM orders WHERE id = $1'
_FIND_UNIT: Final = "SELECT id, order_id, user_id, game_id FROM keyshop.order_units WHERE id = $1"

# The order's lines and keys may be changed meanwhile, but not the order itself.
_LOCK_ORDER: Final = """
    SELECT id, "userId" AS user_id, status::text AS status FROM orders
    WHERE id = $1 FOR NO KEY UPDATE
"""
_UNIT_COLUMNS: Final = """
    id, order_id, item_id, user_id, game_id, state, price, charged, next_at, version, vault_key_id,
    coalesce(
        (SELECT is_requested FROM keyshop.refunds WHERE unit_id = order_units.id), false
    ) AS is_requested
"""
_LOCK_UNITS: Final = f"""
    SELECT {_UNIT_COLUMNS} FROM keyshop.order_units WHERE order_id = $1 ORDER BY id FOR UPDATE
"""

_REFUND_UNITS: Final = """
    UPDATE keyshop.order_units AS unit
    SET state = CASE state WHEN 'ORPHANED' THEN state ELSE 'REFUNDED' END,
        next_at = NULL, finished_at = $1, version = unit.version + 1
    FROM unnest($2::text[], $3::int[]) AS refunded (id, version)
    WHERE unit.id = refunded.id AND unit.version = refunded.version
        AND unit.state IN ('OPEN', 'DELIVERED', 'ORPHANED')
"""
_ADD_REFUNDS: Final = """
    INSERT INTO keyshop.refunds (id, order_id, unit_id, transaction_id, amount, reason,
        is_requested, by, created_at)
    SELECT refund.id, $1, refund.unit_id, CASE WHEN refund.amount > 0 THEN $2 END, refund.amount,
        $3, $4, $5, $6
    FROM unnest($7::text[], $8::text[], $9::numeric[]) AS refund (id, unit_id, amount)
    ON CONFLICT (unit_id) DO NOTHING
"""

# Waits for units in the order in which all others lock them.
_HINT: Final = """
    WITH due AS (
        SELECT id FROM keyshop.order_units WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE
    )
    UPDATE keyshop.order_units AS unit SET next_at = $2, version = version + 1
    FROM due WHERE unit.id = due.id AND unit.state = 'OPEN' AND unit.next_at > $2
"""
_LIST_DUE: Final = """
    SELECT id, order_id, user_id, game_id FROM keyshop.order_units
    WHERE state = 'OPEN' AND next_at <= $1 ORDER BY next_at, id LIMIT $2
"""

_LIST_ORPHANS: Final = """
    SELECT order_id FROM keyshop.order_units WHERE state = 'ORPHANED' AND next_at <= $1
    GROUP BY order_id ORDER BY min(next_at), order_id
"""
_CLOSE_UNITS: Final = """
    UPDATE keyshop.order_units SET next_at = NULL, finished_at = $2, version = version + 1
    WHERE id = ANY($1::text[])
"""

_IS_PAUSED: Final = "SELECT is_paused_after_restore FROM keyshop.buying_state"


class OrderRow(Struct, frozen=True, kw_only=True):
    """What a change of an order reads of its row."""

    id: str
    user_id: str
    """Whose order it is; another program may have moved it from the customer who paid."""

    status: str


async def find_payer(reader: Reader, order_id: str) -> str | None:
    """Return the id of the customer who paid the order; None: keyshop has not placed it."""
    user_id: str | None = await reader.fetchval(_FIND_PAYER, order_id)
    return user_id


async def find_owner(reader: Reader, order_id: str) -> str | None:
    """Return the id of the customer whose order it is; None: there is no such order."""
    user_id: str | None = await reader.fetchval(_FIND_OWNER, order_id)
    return user_id


async def find_unit(reader: Reader, unit_id: str) -> UnitRef | None:
    record = await reader.fetchrow(_FIND_UNIT, unit_id)
    return None if record is None else row(UnitRef, record)


async def lock_order(tx: Transaction, order_id: str) -> OrderRow | None:
    record = await tx.fetchrow(_LOCK_ORDER, order_id)
    return None if record is None else row(OrderRow, record)


async def lock_units(tx: Transaction, order_id: str) -> list[Unit]:
    """Return all units of the order, locked, in the order of their ids."""
    return [
        Unit(**{**record, "state": UnitState(record["state"])})
        for record in await tx.fetch(_LOCK_UNITS, order_id)
    ]


async def refund_units(tx: Transaction, units: Sequence[Unit], *, now: datetime) -> bool:
    """
    Make the units final; an orphaned one stays orphaned. False: one of them has changed.

    The caller rolls back then, as others may have been changed.
    """
    changed = await tx.execute(
        _REFUND_UNITS, now, [unit.id for unit in units], [unit.version for unit in units]
    )
    return changed == len(units)


async def add_refunds(
    tx: Transaction,
    units: Sequence[Unit],
    cause: RefundCause,
    transaction_id: str | None,
    *,
    now: datetime,
) -> bool:
    """Store the refunds of units of one order; False: one of them was refunded before."""
    added = await tx.execute(
        _ADD_REFUNDS,
        units[0].order_id,
        transaction_id,
        cause.reason,
        cause.is_requested,
        cause.by,
        now,
        [new_id() for _ in units],
        [unit.id for unit in units],
        [unit.charged for unit in units],
    )
    return added == len(units)


async def hint(tx: Transaction, unit_ids: Collection[str], *, now: datetime) -> int:
    return await tx.execute(_HINT, sorted(unit_ids), now)


async def list_due(reader: Reader, *, now: datetime, limit: int) -> list[UnitRef]:
    return rows(UnitRef, await reader.fetch(_LIST_DUE, now, limit))


async def list_orphans(reader: Reader, *, now: datetime) -> list[str]:
    """Return the ids of deleted orders with units to refund."""
    return [record["order_id"] for record in await reader.fetch(_LIST_ORPHANS, now)]


async def close_units(tx: Transaction, unit_ids: Sequence[str], *, now: datetime) -> None:
    """Leave units that cannot be refunded as they are, for good."""
    await tx.execute(_CLOSE_UNITS, unit_ids, now)


async def is_paused(reader: Reader) -> bool:
    """Test whether it is unknown, after a restore, what the database has lost."""
    found: bool = await reader.fetchval(_IS_PAUSED)
    return found
