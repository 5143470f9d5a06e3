"""An operator withdraws a key from the stock."""

from datetime import datetime

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.keys import stock_queries
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.errors import KeyNotFound, KeyNotRevoked
from keyshop.keys.models import KeyState
from keyshop.kit.database.transaction import Transaction


async def revoke_key(
    tx: Transaction, vault_key_id: str, *, reason: str, by: str, now: datetime
) -> None:
    """
    Revoke a key that was not delivered; it is never sold.

    Raises:
        KeyNotFound: the vault has no such key.
        KeyNotRevoked: it was delivered, or is revoked already.
    """
    keys = await stock_queries.lock_keys(tx, [vault_key_id])
    if not keys:
        raise KeyNotFound(vault_key_id)
    [key] = keys
    if key.state == KeyState.DELIVERED:
        raise KeyNotRevoked(key.id, f"it was delivered; refund order {key.order_id} instead")
    if key.state == KeyState.REVOKED:
        raise KeyNotRevoked(key.id, "it is revoked already")
    await stock_queries.set_withdrawn(tx, key.id, now=now)
    await lock_games(tx, [key.game_id])
    await update_in_stock(tx, [key.game_id], now)
    await record(
        tx,
        actor=by,
        action="keys.revoke",
        subject=Subject("key", key.id),
        details={"reason": reason},
        now=now,
    )
