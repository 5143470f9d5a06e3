"""Unpaid top-ups end after a day, and are deleted later."""

from datetime import datetime
from typing import Final

from keyshop.kit.database.transaction import Transaction
from keyshop.wallet import intent_queries

_BATCH_SIZE: Final = 500


async def expire_top_ups(tx: Transaction, *, now: datetime, limit: int = _BATCH_SIZE) -> int:
    """
    Let up to `limit` unpaid top-ups expire; a payment that arrives later is credited nevertheless.

    Returns their number; when it is `limit`, there may be more.
    """
    return await intent_queries.expire(tx, now=now, limit=limit)


async def delete_unpaid_top_ups(
    tx: Transaction, *, before: datetime, limit: int = _BATCH_SIZE
) -> int:
    """
    Delete up to `limit` top-ups that expired or failed before then.

    Returns their number; when it is `limit`, there may be more.
    """
    return await intent_queries.delete_old(tx, before=before, limit=limit)
