"""Take keys into the vault that another program stored in `game_keys`."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.journal.record import record
from keyshop.keys import adopt_queries
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.errors import BadKeyText
from keyshop.keys.import_keys import STOCK
from keyshop.keys.models import AdoptedKey, ForeignKey, KeyState
from keyshop.keys.rules import clean_text, seal_context
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.sealing import fingerprint

_BATCH_SIZE: Final = 500  # rows of a transaction
_MAX_ATTEMPTS: Final = 5
_ACTIVATED: Final = "marked as activated"


class AdoptTotals(Struct, frozen=True):
    """How many rows were adopted, by what became of them, and how many were not."""

    free: int = 0
    delivered: int = 0
    held: int = 0
    unusable: int = 0
    """Rows whose text can be no key; they stay outside the vault."""


class _Batch(Struct, frozen=True):
    totals: AdoptTotals
    last_id: str | None


async def adopt_keys(db: Database, vault: Vault, *, by: str, now: datetime) -> AdoptTotals:
    """
    Take every row of `game_keys` into the vault that is not there.

    A row with an order is delivered, an activated one without an order is held, as is one whose text
    the vault has. With sealed storage, the text in `game_keys` becomes a reference to the vault. An
    adoption that was interrupted is repeated, and continues.
    """
    totals, after = AdoptTotals(), ""
    while True:

        async def work(tx: Transaction, after: str = after) -> _Batch:
            return await _adopt_batch(tx, vault, after=after, by=by, now=now)

        batch = await db.run(work, attempts=_MAX_ATTEMPTS)
        if batch.last_id is None:
            return totals
        totals, after = _add(totals, batch.totals), batch.last_id


async def _adopt_batch(
    tx: Transaction, vault: Vault, *, after: str, by: str, now: datetime
) -> _Batch:
    found = await adopt_queries.lock_foreign_keys(tx, after=after, limit=_BATCH_SIZE)
    if not found:
        return _Batch(AdoptTotals(), None)
    keys = [key for key in (_seal(vault, each) for each in found) if key is not None]
    totals = AdoptTotals(unusable=len(found) - len(keys))
    if keys:
        totals = _add(totals, await _store(tx, vault, keys, now=now))
        details = {name: getattr(totals, name) for name in totals.__struct_fields__}
        await record(tx, actor=by, action="keys.adopt", subject=STOCK, details=details, now=now)
    return _Batch(totals, found[-1].id)


async def _store(
    tx: Transaction, vault: Vault, keys: list[AdoptedKey], *, now: datetime
) -> AdoptTotals:
    duplicates = await adopt_queries.add_adopted(tx, keys, version=vault.ring.current, now=now)
    used = [key.fingerprint for key in keys if key.state is not KeyState.FREE]
    games = {key.game_id for key in keys} | await adopt_queries.hold_given_away(tx, used, now=now)
    if vault.storage is KeyStorage.SEALED:
        await adopt_queries.set_references(tx, [key.id for key in keys])
    await lock_games(tx, games)
    await update_in_stock(tx, games, now)
    delivered = sum(key.state is KeyState.DELIVERED for key in keys)
    free = sum(key.state is KeyState.FREE and key.id not in duplicates for key in keys)
    return AdoptTotals(free=free, delivered=delivered, held=len(keys) - free - delivered)


def _seal(vault: Vault, key: ForeignKey) -> AdoptedKey | None:
    try:
        text = clean_text(key.key.reveal())
    except BadKeyText:
        return None
    state = _state(key)
    return AdoptedKey(
        id=key.id,
        game_id=key.game_id,
        fingerprint=fingerprint(vault.fingerprint_key, text),
        ciphertext=vault.ring.seal(
            text.encode(), context=seal_context(key.id, key.game_id)
        ).ciphertext,
        state=state,
        order_id=key.order_id,
        held_reason=_ACTIVATED if state is KeyState.HELD else None,
        created_at=key.created_at,
    )


def _state(key: ForeignKey) -> KeyState:
    if key.order_id is not None:
        return KeyState.DELIVERED
    return KeyState.HELD if key.activated else KeyState.FREE


def _add(one: AdoptTotals, other: AdoptTotals) -> AdoptTotals:
    return AdoptTotals(
        *(getattr(one, name) + getattr(other, name) for name in AdoptTotals.__struct_fields__)
    )
