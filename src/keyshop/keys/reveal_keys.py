"""Unseal the keys of an order for its owner, and record it."""

from collections.abc import Collection
from datetime import datetime

import structlog

from keyshop.keys import queries
from keyshop.keys.models import OrderKey
from keyshop.keys.rules import is_reference, seal_context
from keyshop.keys.settings import Vault
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.sealing import SealBroken, Sealed, UnknownVersion
from keyshop.kit.secrets import Secret

_log = structlog.get_logger(__name__)


async def reveal(
    tx: Transaction, vault: Vault, *, order_id: str, user_id: str, now: datetime
) -> dict[str, Secret]:
    """
    Return the texts of the order's keys, as `read_keys`, and record that the user sees them.

    The caller has checked that the order is the user's. If it cannot be recorded, nothing is shown.
    """
    texts = await read_keys(tx, vault, order_id)
    await record_reveals(tx, texts, user_id=user_id, now=now)
    return texts


async def read_keys(reader: Reader, vault: Vault, order_id: str) -> dict[str, Secret]:
    """
    Return the texts of the keys that were delivered for the order, by the key's id.

    One that cannot be unsealed is left out and logged: the customer still sees the others.
    """
    keys = await queries.list_of_order(reader, order_id)
    texts = {key.id: _find_text(vault, key) for key in keys}
    return {key_id: text for key_id, text in texts.items() if text is not None}


async def record_reveals(
    tx: Transaction, vault_key_ids: Collection[str], *, user_id: str, now: datetime
) -> None:
    """Record that the user sees these keys: once for each key and day (UTC)."""
    if vault_key_ids:
        await queries.record_reveals(tx, vault_key_ids, user_id=user_id, now=now)


def _find_text(vault: Vault, key: OrderKey) -> Secret | None:
    if key.sealed_game_id is None or key.version is None or key.ciphertext is None:
        # A reference without its key in the vault is no text.
        return None if key.key is None or is_reference(key.key.reveal()) else key.key
    try:
        text = vault.ring.unseal(
            Sealed(key.version, key.ciphertext), context=seal_context(key.id, key.sealed_game_id)
        )
    except (SealBroken, UnknownVersion) as error:
        _log.error("keys.unreadable", vault_key_id=key.id, reason=str(error))
        return None
    return Secret(text.decode())
