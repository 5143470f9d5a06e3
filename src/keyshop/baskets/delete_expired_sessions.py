"""Forget guests who have not come back."""

from datetime import datetime
from typing import Final

from keyshop.baskets import queries
from keyshop.kit.database.transaction import Transaction

# Few enough for their carts and wishlists to be thrown away by key, and not all that there are.
_BATCH: Final = 200


async def delete_expired_sessions(tx: Transaction, *, now: datetime, limit: int = _BATCH) -> int:
    """
    Delete sessions that have expired, with their lines, the oldest first.

    Returns how many; as many as `limit` means that there may be more.
    """
    return await queries.forget_sessions(tx, before=now, limit=limit)
