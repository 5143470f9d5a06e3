"""Opening the vault: only with the keys that its contents were sealed with."""

import asyncio

import pytest

from keyshop.keys.errors import KeysRefused
from keyshop.keys.open_vault import open_vault
from keyshop.keys.settings import KeyStorage
from keyshop.kit.sealing import KeyRing
from tests.factories.games import NOON
from tests.factories.vault import make_game_with_keys, make_ring, make_vault

_OTHER_KEY = b"another key of thirty-two bytes."


class TestOpenVault:
    async def test_draws_the_key_of_fingerprints_once(self, db):
        opened = await asyncio.gather(*(make_vault(db) for _ in range(5)))

        assert len({vault.fingerprint_key.reveal() for vault in opened}) == 1

    async def test_writes_nothing_when_the_version_is_known(self, db):
        await make_vault(db)

        async with db.read() as reader:
            await reader.fetchval("SET default_transaction_read_only = on")
            before = await reader.fetchval("SELECT xmin FROM keyshop.key_versions")
        await make_vault(db)

        async with db.read() as reader:
            assert await reader.fetchval("SELECT xmin FROM keyshop.key_versions") == before

    async def test_refuses_another_key_of_a_known_version(self, db):
        await make_vault(db)

        with pytest.raises(KeysRefused, match="has another key of version 1"):
            await open_vault(db, KeyRing({1: _OTHER_KEY}, current=1), KeyStorage.SEALED, now=NOON)

    async def test_refuses_another_key_of_an_older_version(self, db):
        await make_vault(db)
        ring = KeyRing({2: bytes([2]) * 32, 1: _OTHER_KEY}, current=2)

        with pytest.raises(KeysRefused, match="has another key of version 1"):
            await open_vault(db, ring, KeyStorage.SEALED, now=NOON)

    async def test_refuses_a_ring_without_a_version_that_is_in_use(self, db, vault):
        await make_game_with_keys(db, vault, 1)

        with pytest.raises(KeysRefused, match="has no key of version 1") as refused:
            await make_vault(db, 2)

        assert "set the keys with which" in str(refused.value)

    async def test_takes_a_new_current_version_beside_the_one_in_use(self, db, vault):
        await make_game_with_keys(db, vault, 1)

        both = await make_vault(db, 2, 1)

        assert both.fingerprint_key == vault.fingerprint_key
        async with db.read() as reader:
            versions = await reader.fetch("SELECT version FROM keyshop.key_versions")
        assert {record["version"] for record in versions} == {1, 2}

    async def test_lets_one_of_two_first_processes_win_when_their_keys_differ(self, db):
        rings = [make_ring(1), KeyRing({1: _OTHER_KEY}, current=1)]

        opened = await asyncio.gather(
            *(open_vault(db, ring, KeyStorage.SEALED, now=NOON) for ring in rings),
            return_exceptions=True,
        )

        assert sum(isinstance(each, KeysRefused) for each in opened) == 1

    async def test_shows_no_key_in_its_repr(self, vault):
        shown = repr(vault)

        assert vault.fingerprint_key.reveal() not in shown
        assert make_ring(1).current == 1
        assert "\\x01" not in shown
