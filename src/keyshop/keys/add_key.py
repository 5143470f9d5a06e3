"""Add keys to the vault."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from keyshop.keys import queries
from keyshop.keys.models import AddedKey, AddOutcome, KeySource, NewKey
from keyshop.keys.rules import clean_text, is_too_long, make_reference, seal_context
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.sealing import fingerprint
from keyshop.kit.secrets import Secret


class KeyText(Struct, frozen=True):
    """A key that is to be added."""

    game_id: str
    text: Secret


async def add_key(
    tx: Transaction, vault: Vault, *, game_id: str, text: Secret, source: KeySource, now: datetime
) -> AddedKey:
    """
    Add a free key of the game; as `add_keys`.

    Raises:
        BadKeyText: the text is empty, or cannot be stored.
    """
    [added] = await add_keys(tx, vault, [KeyText(game_id, text)], source=source, now=now)
    return added


async def add_keys(
    tx: Transaction, vault: Vault, keys: Sequence[KeyText], *, source: KeySource, now: datetime
) -> list[AddedKey]:
    """
    Add free keys, and return what became of each, in their order.

    A text that the shop has, in the vault or in another program's row of `game_keys`, is not added
    again. `count_stock.update_in_stock` of their games is due afterwards.

    Raises:
        BadKeyText: a text is empty, or cannot be stored.
        asyncpg.UniqueViolationError: another program stores the same text now; run it again.
    """
    new = [None if is_too_long(key.text.reveal().strip()) else _seal(vault, key) for key in keys]
    fitting = [key for key in new if key is not None]
    if not fitting:
        return [AddedKey(AddOutcome.TOO_LONG) for _ in keys]
    added = await queries.add_to_vault(
        tx, fitting, source=source, version=vault.ring.current, now=now
    )
    texts = [(key.id, key.game_id, stored_text(vault, key)) for key in fitting if key.id in added]
    if texts:
        await queries.add_to_game_keys(tx, texts, now=now)
    return [_outcome(key, added) for key in new]


def stored_text(vault: Vault, key: NewKey) -> str:
    """Return what `game_keys.key` holds of the key."""
    return key.text.reveal() if vault.storage is KeyStorage.PLAIN else make_reference(key.id)


def _seal(vault: Vault, key: KeyText) -> NewKey:
    text, vault_key_id = clean_text(key.text.reveal()), new_id()
    context = seal_context(vault_key_id, key.game_id)
    return NewKey(
        id=vault_key_id,
        game_id=key.game_id,
        text=Secret(text),
        fingerprint=fingerprint(vault.fingerprint_key, text),
        ciphertext=vault.ring.seal(text.encode(), context=context).ciphertext,
    )


def _outcome(key: NewKey | None, added: set[str]) -> AddedKey:
    if key is None:
        return AddedKey(AddOutcome.TOO_LONG)
    if key.id in added:
        return AddedKey(AddOutcome.ADDED, key.id)
    return AddedKey(AddOutcome.DUPLICATE)
