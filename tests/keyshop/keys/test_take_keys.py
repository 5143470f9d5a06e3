"""Taking own keys for orders: each is given once."""

import asyncio

import pytest

from keyshop.keys.add_key import add_key
from keyshop.keys.count_stock import lock_games, update_in_stock
from keyshop.keys.errors import BadKeyText
from keyshop.keys.models import AddOutcome, KeySource
from keyshop.keys.settings import KeyStorage
from keyshop.keys.take_keys import mark_delivered, mark_revoked, take_free_keys
from keyshop.kit.ids import new_id
from keyshop.kit.secrets import Secret
from tests.factories.games import NOON, make_game
from tests.factories.vault import key_texts, make_game_with_keys, make_vault, stock_keys


async def state_of(db, vault_key_id):
    async with db.read() as reader:
        return await reader.fetchval(
            "SELECT state FROM keyshop.vault_keys WHERE id = $1", vault_key_id
        )


async def is_in_stock(db, game_id):
    async with db.read() as reader:
        return await reader.fetchval('SELECT "inStock" FROM games WHERE id = $1', game_id)


async def deliver_one(db, game_id, order_id):
    """Take one key as an order does, and return its id."""

    async def work(tx):
        taken = await take_free_keys(tx, game_id, 1)
        for vault_key_id in taken:
            assert await mark_delivered(
                tx, vault_key_id=vault_key_id, order_id=order_id, unit_id=new_id(), now=NOON
            )
            await lock_games(tx, [game_id])
            await update_in_stock(tx, [game_id], NOON)
        return taken[0] if taken else None

    return await db.run(work, attempts=5)


class TestTakeFreeKeys:
    async def test_never_gives_one_key_to_two_of_fifty_orders(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 20)

        taken = await asyncio.gather(*(deliver_one(db, game_id, order_id) for _ in range(50)))

        given = [key for key in taken if key is not None]
        assert len(given) == len(set(given)) == 20
        assert not await is_in_stock(db, game_id)

    async def test_takes_the_oldest_first_and_no_more_than_there_are(self, db, vault):
        game_id = await make_game(db, g2aStock=False)
        newer = await stock_keys(db, vault, game_id, ["NEWER"], now=NOON.replace(hour=13))
        older = await stock_keys(db, vault, game_id, ["OLDER"])

        async with db.transaction() as tx:
            assert await take_free_keys(tx, game_id, 1) == older
            assert await take_free_keys(tx, game_id, 5) == older + newer

    @pytest.mark.parametrize(
        "change",
        [
            'UPDATE game_keys SET "orderId" = $1',
            "UPDATE game_keys SET activated = true WHERE $1 <> ''",
            "UPDATE game_keys SET key = 'other ' || id WHERE $1 <> ''",
            "DELETE FROM game_keys WHERE $1 <> ''",
        ],
    )
    async def test_passes_over_keys_that_another_program_touched(self, db, vault, order_id, change):
        game_id = await make_game_with_keys(db, vault, 1)
        async with db.transaction() as tx:
            await tx.execute(change, order_id)

        async with db.transaction() as tx:
            assert await take_free_keys(tx, game_id, 1) == []

    async def test_never_waits_for_another_program_that_holds_a_row(self, db, vault):
        game_id = await make_game_with_keys(db, vault, 2)

        async with db.read() as foreign:
            await foreign.fetchval("BEGIN")
            held = await foreign.fetchval("SELECT id FROM game_keys ORDER BY id FOR UPDATE")
            async with db.transaction() as tx:
                [taken] = await take_free_keys(tx, game_id, 2)
            await foreign.fetchval("ROLLBACK")

        assert taken != held


class TestMarkDelivered:
    async def test_assigns_the_row_without_holding_the_key(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)

        vault_key_id = await deliver_one(db, game_id, order_id)

        assert vault_key_id is not None
        assert await state_of(db, vault_key_id) == "delivered"
        async with db.read() as reader:
            assigned = await reader.fetchval(
                'SELECT "orderId" FROM game_keys WHERE id = $1', vault_key_id
            )
        assert assigned == order_id

    async def test_refuses_a_key_that_is_not_free(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        vault_key_id = await deliver_one(db, game_id, order_id)
        assert vault_key_id is not None

        async with db.transaction() as tx:
            assert not await mark_delivered(
                tx, vault_key_id=vault_key_id, order_id=order_id, unit_id="other", now=NOON
            )

    async def test_ends_its_mark_so_that_later_changes_hold_keys(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 2)

        async with db.transaction() as tx:
            [taken, *_] = await take_free_keys(tx, game_id, 2)
            await mark_delivered(
                tx, vault_key_id=taken, order_id=order_id, unit_id=new_id(), now=NOON
            )
            await tx.execute("UPDATE game_keys SET activated = true WHERE id <> $1", taken)

        async with db.read() as reader:
            states = await reader.fetch("SELECT state FROM keyshop.vault_keys ORDER BY state")
        assert [record["state"] for record in states] == ["delivered", "held"]


class TestMarkRevoked:
    async def test_never_brings_a_key_back_to_stock(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        vault_key_id = await deliver_one(db, game_id, order_id)
        assert vault_key_id is not None

        async with db.transaction() as tx:
            unit_id = await tx.fetchval("SELECT unit_id FROM keyshop.vault_keys")
            await mark_revoked(tx, [unit_id], NOON)
            await lock_games(tx, [game_id])
            await update_in_stock(tx, [game_id], NOON)

        assert await state_of(db, vault_key_id) == "revoked"
        assert not await is_in_stock(db, game_id)
        assert await deliver_one(db, game_id, order_id) is None


class TestAddKey:
    async def add(self, db, vault, game_id: str, text: str):
        async with db.transaction() as tx:
            return await add_key(
                tx,
                vault,
                game_id=game_id,
                text=Secret(text),
                source=KeySource.OWN,
                now=NOON,
            )

    async def test_stores_a_reference_and_not_the_text(self, db, vault):
        game_id = await make_game(db)

        added = await self.add(db, vault, game_id, " AAAAA-BBBBB-CCCCC\r\n")

        assert added.outcome is AddOutcome.ADDED
        async with db.read() as reader:
            stored = await reader.fetchval(
                "SELECT key FROM game_keys WHERE id = $1", added.vault_key_id
            )
        assert stored == f"sealed:{added.vault_key_id}"

    async def test_stores_the_text_where_the_owner_wants_it(self, db):
        vault = await make_vault(db, storage=KeyStorage.PLAIN)
        game_id = await make_game(db)

        added = await self.add(db, vault, game_id, "AAAAA-BBBBB-CCCCC")

        async with db.read() as reader:
            stored = await reader.fetchval(
                "SELECT key FROM game_keys WHERE id = $1", added.vault_key_id
            )
        assert stored == "AAAAA-BBBBB-CCCCC"

    async def test_adds_a_text_once_also_for_another_game(self, db, vault):
        game_id = await make_game(db)
        other_game = await make_game(db, title="Another Game")
        await self.add(db, vault, game_id, "AAAAA")

        assert (await self.add(db, vault, game_id, "AAAAA ")).outcome is AddOutcome.DUPLICATE
        assert (await self.add(db, vault, other_game, "AAAAA")).outcome is AddOutcome.DUPLICATE

    async def test_adds_no_text_that_another_program_stored(self, db, vault):
        game_id = await make_game(db)
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO game_keys (id, \"gameId\", key) VALUES ('foreign', $1, 'AAAAA')",
                game_id,
            )

        assert (await self.add(db, vault, game_id, "AAAAA")).outcome is AddOutcome.DUPLICATE

    async def test_adds_no_text_that_the_index_would_refuse(self, db, vault):
        game_id = await make_game(db)

        for text in ("x" * 2001, "ß" * 1001):
            assert (await self.add(db, vault, game_id, text)).outcome is AddOutcome.TOO_LONG

    async def test_refuses_what_can_be_no_key(self, db, vault):
        game_id = await make_game(db)

        for text in ("", " \t", "AA\0AA", "\ud800", "sealed:anything"):
            with pytest.raises(BadKeyText):
                await self.add(db, vault, game_id, text)

    async def test_adds_the_longest_text_in_plain_storage(self, db):
        vault = await make_vault(db, storage=KeyStorage.PLAIN)
        game_id = await make_game(db)

        for text in [*key_texts(2), "x" * 2000]:
            assert (await self.add(db, vault, game_id, text)).outcome is AddOutcome.ADDED
