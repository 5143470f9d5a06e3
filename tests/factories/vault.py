"""A vault, and games with own keys."""

from datetime import datetime
from typing import Any

from keyshop.keys.add_key import KeyText, add_keys
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.models import KeySource
from keyshop.keys.open_vault import open_vault
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.database.pool import Database
from keyshop.kit.sealing import KeyRing
from keyshop.kit.secrets import Secret
from tests.factories.games import NOON, make_game


def make_ring(*versions: int) -> KeyRing:
    """Return a ring of these versions, the first of them current; version 1 is the usual one."""
    keys = {version: bytes([version]) * 32 for version in versions or (1,)}
    return KeyRing(keys, current=(versions or (1,))[0])


async def make_vault(
    db: Database, *versions: int, storage: KeyStorage = KeyStorage.SEALED
) -> Vault:
    """Open the vault of this database."""
    return await open_vault(db, make_ring(*versions), storage, now=NOON)


def key_texts(count: int, *, prefix: str = "AAAAA-BBBBB") -> list[str]:
    """Return texts of keys that differ."""
    return [f"{prefix}-{number:05}" for number in range(count)]


async def stock_keys(
    db: Database, vault: Vault, game_id: str, texts: list[str], *, now: datetime = NOON
) -> list[str]:
    """Add free keys with these texts to the game, and return their ids."""
    async with db.transaction() as tx:
        added = await add_keys(
            tx,
            vault,
            [KeyText(game_id, Secret(text)) for text in texts],
            source=KeySource.OWN,
            now=now,
        )
        await lock_games(tx, [game_id])
        await update_in_stock(tx, [game_id], now)
    return [key.vault_key_id for key in added if key.vault_key_id is not None]


async def make_game_with_keys(db: Database, vault: Vault, count: int, **overrides: Any) -> str:
    """
    Store a game of which the supplier has none, with `count` free own keys; return its id.

    Their texts begin with the game's id. Overrides are columns of `games`.
    """
    game_id = await make_game(db, **({"g2aStock": False, "inStock": False} | overrides))
    await stock_keys(db, vault, game_id, key_texts(count, prefix=game_id))
    return game_id
