"""Adopting keys that another program stored."""

import pytest

from keyshop.keys.adopt_keys import AdoptTotals, adopt_keys
from keyshop.keys.reveal_keys import read_keys
from keyshop.keys.settings import KeyStorage
from keyshop.keys.take_keys import take_free_keys
from tests.factories.games import NOON, make_game
from tests.factories.vault import make_vault, stock_keys


async def add_row(db, game_id, key, *, row_id=None, order_id=None, activated=False):
    """Store a key as another program does."""
    async with db.transaction() as tx:
        await tx.execute(
            'INSERT INTO game_keys (id, "gameId", key, "orderId", activated)'
            " VALUES ($1, $2, $3, $4, $5)",
            row_id or key.strip(),
            game_id,
            key,
            order_id,
            activated,
        )


async def adopt(db, vault):
    return await adopt_keys(db, vault, by="olga", now=NOON)


async def states(db):
    async with db.read() as reader:
        found = await reader.fetch("SELECT id, state FROM keyshop.vault_keys")
    return {record["id"]: record["state"] for record in found}


async def take_all(db, game_id):
    async with db.transaction() as tx:
        return set(await take_free_keys(tx, game_id, 100))


class TestAdoptKeys:
    async def test_sells_nothing_that_was_not_adopted(self, db, vault):
        game_id = await make_game(db)
        await add_row(db, game_id, "FREE")

        assert await take_all(db, game_id) == set()

    async def test_sorts_rows_by_what_the_other_program_did_with_them(self, db, vault, order_id):
        game_id = await make_game(db, g2aStock=False, inStock=False)
        await add_row(db, game_id, "FREE")
        await add_row(db, game_id, "SOLD", order_id=order_id)
        await add_row(db, game_id, "USED", order_id=order_id, activated=True)
        await add_row(db, game_id, "ACTIVATED", activated=True)
        await add_row(db, game_id, "sealed:elsewhere")

        totals = await adopt(db, vault)

        assert totals == AdoptTotals(free=1, delivered=2, held=1, unusable=1)
        assert await states(db) == {
            "FREE": "free",
            "SOLD": "delivered",
            "USED": "delivered",
            "ACTIVATED": "held",
        }
        assert await take_all(db, game_id) == {"FREE"}
        async with db.read() as reader:
            assert await reader.fetchval('SELECT "inStock" FROM games')
            texts = await read_keys(reader, vault, order_id)
        assert {text.reveal() for text in texts.values()} == {"SOLD", "USED"}

    async def test_leaves_no_text_in_the_table(self, db, vault, order_id):
        game_id = await make_game(db)
        await add_row(db, game_id, "FREE")
        await add_row(db, game_id, "SOLD", order_id=order_id)

        await adopt(db, vault)

        async with db.read() as reader:
            keys = {record["key"] for record in await reader.fetch("SELECT key FROM game_keys")}
        assert keys == {"sealed:FREE", "sealed:SOLD"}

    async def test_leaves_the_texts_where_another_program_reads_them(self, db):
        vault = await make_vault(db, storage=KeyStorage.PLAIN)
        game_id = await make_game(db)
        await add_row(db, game_id, "FREE ")

        await adopt(db, vault)

        async with db.read() as reader:
            assert await reader.fetchval("SELECT key FROM game_keys") == "FREE "
        assert await states(db) == {"FREE": "free"}

    async def test_never_frees_a_text_that_the_vault_has(self, db, vault):
        game_id = await make_game(db)
        [known] = await stock_keys(db, vault, game_id, ["AAAAA"])
        await add_row(db, game_id, " AAAAA", row_id="copy")

        totals = await adopt(db, vault)

        assert totals.held == 1
        assert await states(db) == {known: "free", "copy": "held"}

    @pytest.mark.parametrize("activated", [True, False])
    async def test_holds_a_free_key_whose_text_was_given_away(self, db, vault, order_id, activated):
        game_id = await make_game(db, g2aStock=False)
        [known] = await stock_keys(db, vault, game_id, ["AAAAA"])
        await add_row(
            db,
            game_id,
            " AAAAA",
            row_id="sold",
            order_id=None if activated else order_id,
            activated=activated,
        )

        await adopt(db, vault)

        assert (await states(db))[known] == "held"
        async with db.read() as reader:
            assert not await reader.fetchval('SELECT "inStock" FROM games')

    async def test_keeps_one_of_two_rows_with_one_text_free(self, db, vault):
        game_id = await make_game(db)
        await add_row(db, game_id, "AAAAA", row_id="a")
        await add_row(db, game_id, "AAAAA ", row_id="b")

        await adopt(db, vault)

        assert await states(db) == {"a": "free", "b": "held"}

    async def test_does_nothing_the_second_time(self, db, vault):
        game_id = await make_game(db)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO game_keys (id, "gameId", key)'
                " SELECT 'row ' || n, $1, 'AAAAA-' || n FROM generate_series(1, 600) AS n",
                game_id,
            )

        assert (await adopt(db, vault)).free == 600
        assert await adopt(db, vault) == AdoptTotals()
