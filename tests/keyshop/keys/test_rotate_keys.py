"""Sealing keys anew, and moving their texts."""

import asyncio

from keyshop.keys.open_vault import open_vault
from keyshop.keys.reveal_keys import read_keys
from keyshop.keys.rotate_keys import rotate_keys
from keyshop.keys.settings import KeyStorage
from keyshop.keys.take_keys import mark_all_delivered, take_free_keys
from keyshop.kit.ids import new_id
from tests.factories.games import NOON, make_game
from tests.factories.vault import key_texts, make_game_with_keys, make_ring, make_vault, stock_keys


async def rotate(db, vault):
    return await rotate_keys(db, vault, by="olga", now=NOON)


async def deliver_all(db, game_id, order_id):
    async with db.transaction() as tx:
        units = {key: new_id() for key in await take_free_keys(tx, game_id, 1000)}
        await mark_all_delivered(tx, units, order_id=order_id, now=NOON)


async def texts_of(db, vault, order_id):
    async with db.read() as reader:
        return {text.reveal() for text in (await read_keys(reader, vault, order_id)).values()}


async def stored_keys(db):
    async with db.read() as reader:
        found = await reader.fetch("SELECT id, key FROM game_keys")
    return {record["id"]: record["key"] for record in found}


class TestRotateKeys:
    async def test_seals_everything_with_the_current_key(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 250)
        await deliver_all(db, game_id, order_id)

        totals = await rotate(db, await make_vault(db, 2, 1))

        assert (totals.resealed, totals.left, totals.unused_versions) == (250, 0, [1])
        newest = await make_vault(db, 2)
        assert newest.fingerprint_key == vault.fingerprint_key
        assert await texts_of(db, newest, order_id) == set(key_texts(250, prefix=game_id))

    async def test_does_nothing_the_second_time(self, db, vault):
        await make_game_with_keys(db, vault, 3)
        both = await make_vault(db, 2, 1)
        await rotate(db, both)

        totals = await rotate(db, both)

        assert (totals.resealed, totals.moved, totals.left) == (0, 0, 0)

    async def test_is_recorded(self, db, vault):
        await make_game_with_keys(db, vault, 3)

        await rotate(db, await make_vault(db, 2, 1))

        async with db.read() as reader:
            entry = await reader.fetchrow(
                "SELECT actor, action, details->>'resealed' AS resealed FROM keyshop.journal"
            )
        assert entry is not None
        assert tuple(entry) == ("olga", "keys.rotate", "3")

    async def test_unseals_keys_of_games_whose_id_was_changed(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 2)
        await deliver_all(db, game_id, order_id)
        async with db.transaction() as tx:
            await tx.execute("UPDATE games SET id = 'renamed'")

        await rotate(db, await make_vault(db, 2, 1))

        assert len(await texts_of(db, await make_vault(db, 2), order_id)) == 2

    async def test_moves_texts_out_of_the_table_and_back(self, db, vault):
        game_id = await make_game(db)
        ids = await stock_keys(db, vault, game_id, ["AAAAA-1", "AAAAA-2"])
        plain = await make_vault(db, storage=KeyStorage.PLAIN)

        assert (await rotate(db, plain)).moved == 2
        assert set((await stored_keys(db)).values()) == {"AAAAA-1", "AAAAA-2"}
        assert (await rotate(db, vault)).moved == 2
        assert await stored_keys(db) == {key: f"sealed:{key}" for key in ids}
        async with db.transaction() as tx:
            assert len(await take_free_keys(tx, game_id, 5)) == 2

    async def test_keeps_what_another_program_wrote_in_the_table(self, db):
        plain = await make_vault(db, storage=KeyStorage.PLAIN)
        game_id = await make_game(db)
        [changed, kept] = await stock_keys(db, plain, game_id, ["AAAAA-1", "AAAAA-2"])
        async with db.transaction() as tx:
            await tx.execute("UPDATE game_keys SET key = 'OTHER' WHERE id = $1", changed)

        totals = await rotate(db, await make_vault(db))

        assert (totals.moved, totals.left) == (1, 1)
        assert await stored_keys(db) == {changed: "OTHER", kept: f"sealed:{kept}"}

    async def test_passes_over_a_text_that_another_row_has(self, db, vault):
        game_id = await make_game(db)
        [sealed] = await stock_keys(db, vault, game_id, ["AAAAA"])
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO game_keys (id, \"gameId\", key) VALUES ('foreign', $1, 'AAAAA')",
                game_id,
            )

        totals = await rotate(db, await make_vault(db, storage=KeyStorage.PLAIN))

        assert (totals.moved, totals.left) == (0, 1)
        assert (await stored_keys(db))[sealed] == f"sealed:{sealed}"

    async def test_never_waits_for_a_row_that_another_program_holds(self, db, vault):
        game_id = await make_game(db)
        [held, free] = await stock_keys(db, vault, game_id, ["AAAAA-1", "AAAAA-2"])
        plain = await make_vault(db, storage=KeyStorage.PLAIN)

        async with db.read() as foreign:
            await foreign.fetchval("BEGIN")
            await foreign.fetchval("SELECT id FROM game_keys WHERE id = $1 FOR UPDATE", held)
            totals = await rotate(db, plain)
            await foreign.fetchval("ROLLBACK")

        assert (totals.moved, totals.left) == (1, 1)
        assert (await stored_keys(db))[free] == "AAAAA-2"
        assert (await rotate(db, plain)).moved == 1

    async def test_leaves_an_unreadable_key_and_finishes_the_others(self, db, vault):
        game_id = await make_game_with_keys(db, vault, 3)
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE keyshop.vault_keys SET ciphertext = '\\x00' WHERE id ="
                " (SELECT min(id) FROM keyshop.vault_keys WHERE game_id = $1)",
                game_id,
            )

        totals = await rotate(db, await make_vault(db, 2, 1))

        assert (totals.resealed, totals.left, totals.unused_versions) == (2, 1, [])

    async def test_changes_no_key_that_was_sealed_anew_meanwhile(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 50)
        await deliver_all(db, game_id, order_id)
        both = await open_vault(db, make_ring(2, 1), KeyStorage.SEALED, now=NOON)

        await asyncio.gather(rotate(db, both), rotate(db, both), rotate(db, both))

        assert len(await texts_of(db, await make_vault(db, 2), order_id)) == 50
