"""Delete expired guest sessions and their lines."""

from datetime import datetime
from typing import Final

from keyshop.baskets import queries
from keyshop.kit.database.transaction import Transaction

# Few enough sessions that the cache invalidates their carts and wishlists by key. With more, it
# invalidates all baskets.
_BATCH_SIZE: Final = 200


async def delete_expired_sessions(
    tx: Transaction, *, now: datetime, limit: int = _BATCH_SIZE
) -> int:
    """
    Delete up to `limit` expired sessions with their lines, the oldest first.

    Returns their number; when it is `limit`, there may be more.
    """
    return await queries.delete_expired_sessions(tx, before=now, limit=limit)
