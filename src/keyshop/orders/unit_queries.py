"""All SQL of the units of orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from keyshop.kit.database.transaction import Transaction
from keyshop.orders.models import Unit

_ADD: Final = """
    INSERT INTO keyshop.order_units
        (id, order_id, item_id, user_id, game_id, state, price, charged, next_at, created_at)
    SELECT unit.id, $1, unit.item_id, $2, unit.game_id, 'OPEN', unit.price, unit.charged, $3, $3
    FROM unnest($4::text[], $5::text[], $6::text[], $7::numeric[], $8::numeric[])
        AS unit (id, item_id, game_id, price, charged)
    ORDER BY unit.id
"""

_DELIVER: Final = """
    UPDATE keyshop.order_units AS unit SET state = 'DELIVERED', vault_key_id = delivered.vault_key_id,
        next_at = NULL, finished_at = $1, version = unit.version + 1
    FROM unnest($2::text[], $3::int[], $4::text[]) AS delivered (id, version, vault_key_id)
    WHERE unit.id = delivered.id AND unit.version = delivered.version AND unit.state = 'OPEN'
"""


async def add_units(tx: Transaction, units: Sequence[Unit], *, now: datetime) -> None:
    """Store the open units of one order, which are due now."""
    await tx.execute(
        _ADD,
        units[0].order_id,
        units[0].user_id,
        now,
        [unit.id for unit in units],
        [unit.item_id for unit in units],
        [unit.game_id for unit in units],
        [unit.price for unit in units],
        [unit.charged for unit in units],
    )


async def deliver_units(
    tx: Transaction, units: Sequence[Unit], vault_key_ids: Sequence[str], *, now: datetime
) -> bool:
    """
    Give each open unit its key; False: a unit is open no longer, or has another version.

    The caller rolls back then, as others may have been changed.
    """
    changed = await tx.execute(
        _DELIVER,
        now,
        [unit.id for unit in units],
        [unit.version for unit in units],
        vault_key_ids,
    )
    return changed == len(units)
