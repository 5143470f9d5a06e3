"""Lock one key of the vault."""

from keyshop.keys import queries
from keyshop.keys.models import LockedKey
from keyshop.kit.database.transaction import Transaction


async def lock_key(tx: Transaction, vault_key_id: str) -> LockedKey | None:
    """Return the key, locked until the transaction ends; None: it is not in the vault."""
    return await queries.lock_key(tx, vault_key_id)
