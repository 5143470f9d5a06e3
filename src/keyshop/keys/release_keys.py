"""An operator lets held keys be sold."""

from collections.abc import Collection, Sequence
from datetime import datetime

from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.keys import queries, stock_queries
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.errors import KeyNotFound, KeyNotReleased
from keyshop.keys.models import HeldKey, KeyState
from keyshop.keys.rules import make_reference, seal_context
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.sealing import Sealed


async def release_keys(
    tx: Transaction, vault: Vault, vault_key_ids: Collection[str], *, by: str, now: datetime
) -> None:
    """
    Free all these held keys, or none of them.

    A key whose row in `game_keys` was deleted gets it back; one that another program moved to another
    game is sold for that game.

    Raises:
        KeyNotFound: the vault has no such key.
        KeyNotReleased: one is not held, has a text that was used, or `game_keys` says otherwise.
    """
    keys = await stock_queries.lock_keys(tx, vault_key_ids)
    for missing in set(vault_key_ids) - {key.id for key in keys}:
        raise KeyNotFound(missing)
    for key in keys:
        if reason := _find_objection(vault, key):
            raise KeyNotReleased(key.id, reason)
    await _restore_rows(tx, vault, [key for key in keys if not key.has_row], now=now)
    await stock_queries.set_free(tx, keys, now=now)
    games = {key.game_id for key in keys} | {key.row_game_id or key.game_id for key in keys}
    await lock_games(tx, games)
    await update_in_stock(tx, games, now)
    for key in keys:
        await record(tx, actor=by, action="keys.release", subject=Subject("key", key.id), now=now)


def _find_objection(vault: Vault, key: HeldKey) -> str | None:
    if key.state != KeyState.HELD:
        return f"it is {key.state}"
    if key.duplicate_of is not None:
        return f"key {key.duplicate_of} has the same text"
    if key.row_order_id is not None:
        return f"another program gave it to order {key.row_order_id}"
    if key.activated:
        return "`activated` is set in its row of game_keys"
    text = _unseal(vault, key)
    if key.key is not None and key.key.reveal().strip() not in {text, make_reference(key.id)}:
        return "another program wrote another text into its row of game_keys"
    return None


def _unseal(vault: Vault, key: HeldKey) -> str:
    sealed = Sealed(key.version, key.ciphertext)
    context = seal_context(key.id, key.sealed_game_id)
    return vault.ring.unseal(sealed, context=context).decode()


async def _restore_rows(
    tx: Transaction, vault: Vault, keys: Sequence[HeldKey], *, now: datetime
) -> None:
    existing = await stock_queries.lock_games(tx, {key.game_id for key in keys})
    for key in keys:
        if key.game_id not in existing.values():
            raise KeyNotReleased(key.id, f"its game {key.game_id} was deleted")
    if keys:
        is_plain = vault.storage is KeyStorage.PLAIN
        texts = [
            (key.id, key.game_id, _unseal(vault, key) if is_plain else make_reference(key.id))
            for key in keys
        ]
        await queries.add_to_game_keys(tx, texts, now=now)
