"""What an operator does to single keys: release, withdraw, look at."""

import pytest

from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.keys.errors import KeyNotFound, KeyNotReleased, KeyNotRevoked
from keyshop.keys.models import KeyState
from keyshop.keys.release_keys import release_keys
from keyshop.keys.revoke_key import revoke_key
from keyshop.keys.show_stock import list_keys, show_stock
from keyshop.keys.take_keys import mark_delivered, take_free_keys
from keyshop.kit.errors import NotFound
from tests.factories.games import NOON, make_game
from tests.factories.vault import make_game_with_keys, stock_keys


async def run(db, sql, *args):
    async with db.transaction() as tx:
        await tx.execute(sql, *args)


async def release(db, vault, *ids):
    async with db.transaction() as tx:
        await release_keys(tx, vault, ids, by="olga", now=NOON)


async def revoke(db, key):
    async with db.transaction() as tx:
        await revoke_key(tx, key, reason="sold elsewhere", by="olga", now=NOON)


async def actions(db, key):
    async with db.read() as reader:
        entries = await list_entries(reader, Subject("key", key))
    return [(entry.actor, entry.action, entry.details) for entry in entries]


async def take_all(db, game_id):
    async with db.transaction() as tx:
        return await take_free_keys(tx, game_id, 100)


@pytest.fixture
async def key(db, vault):
    """A key that is held, because another program changed its row and changed it back."""
    game_id = await make_game(db, g2aStock=False)
    [key] = await stock_keys(db, vault, game_id, ["AAAAA"])
    await run(db, "UPDATE game_keys SET activated = true")
    await run(db, "UPDATE game_keys SET activated = false")
    assert await take_all(db, game_id) == []
    return key


class TestReleaseKeys:
    async def test_lets_a_held_key_be_sold(self, db, vault, key):
        await release(db, vault, key)

        async with db.read() as reader:
            game_id = await reader.fetchval('SELECT id FROM games WHERE "inStock"')
        assert await take_all(db, game_id) == [key]
        assert await actions(db, key) == [("olga", "keys.release", {})]

    async def test_gives_back_a_row_that_was_deleted(self, db, vault, key):
        await run(db, "DELETE FROM game_keys")

        await release(db, vault, key)

        async with db.read() as reader:
            assert await reader.fetchval("SELECT key FROM game_keys") == f"sealed:{key}"

    async def test_sells_a_key_for_the_game_to_which_it_was_moved(self, db, vault, key):
        other = await make_game(db, title="Another Game", g2aStock=False)
        await run(db, 'UPDATE game_keys SET "gameId" = $1', other)

        await release(db, vault, key)

        assert await take_all(db, other) == [key]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ("UPDATE game_keys SET activated = true", "`activated` is set"),
            ("UPDATE game_keys SET \"orderId\" = 'alices-order'", "gave it to order alices-order"),
            ("UPDATE game_keys SET key = 'OTHER'", "wrote another text"),
            ("DELETE FROM games", "was deleted"),
            ("UPDATE keyshop.vault_keys SET duplicate_of = 'first'", "first has the same text"),
            ("UPDATE keyshop.vault_keys SET state = 'revoked'", "it is revoked"),
        ],
    )
    async def test_refuses_a_key_that_may_be_used(self, db, vault, key, order_id, change, reason):
        await run(db, change)

        with pytest.raises(KeyNotReleased, match=reason):
            await release(db, vault, key)

    async def test_frees_all_keys_or_none(self, db, vault, key):
        with pytest.raises(KeyNotFound):
            await release(db, vault, key, "no-such-key")

        async with db.read() as reader:
            assert await reader.fetchval("SELECT state FROM keyshop.vault_keys") == "held"


class TestRevokeKey:
    async def test_withdraws_a_free_key(self, db, vault):
        game_id = await make_game_with_keys(db, vault, 1)
        [key] = await take_all(db, game_id)

        await revoke(db, key)

        assert await take_all(db, game_id) == []
        assert await actions(db, key) == [("olga", "keys.revoke", {"reason": "sold elsewhere"})]
        async with db.read() as reader:
            assert not await reader.fetchval('SELECT "inStock" FROM games')

    async def test_refuses_a_delivered_key_because_its_customer_paid(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        async with db.transaction() as tx:
            [key] = await take_free_keys(tx, game_id, 1)
            await mark_delivered(tx, vault_key_id=key, order_id=order_id, unit_id="unit", now=NOON)

        with pytest.raises(KeyNotRevoked, match="refund order alices-order"):
            await revoke(db, key)

    async def test_refuses_a_key_twice_and_an_unknown_one(self, db, vault, key):
        await revoke(db, key)

        with pytest.raises(KeyNotRevoked, match="already"):
            await revoke(db, key)
        with pytest.raises(KeyNotFound):
            await revoke(db, "no-such-key")


class TestShowStock:
    async def test_counts_by_state_and_names_what_cannot_be_sold(self, db, vault, key):
        hand_made = await make_game(db, title="Hand-made", g2aStock=False, inStock=True)
        await run(
            db, "INSERT INTO game_keys (id, \"gameId\", key) VALUES ('x', $1, 'X')", hand_made
        )
        stocked = await make_game_with_keys(db, vault, 2, title="Stocked")

        async with db.read() as reader:
            stock = await show_stock(reader)

        totals = stock.totals
        assert (totals.free, totals.held, totals.unadopted) == (2, 1, 1)
        free = {game.game_id: game.free for game in stock.games if game.free}
        assert free == {stocked: 2}
        unsaleable = {game.title for game in stock.games if game.is_unsaleable}
        assert unsaleable == {"Hand-made", "A Game"}

    async def test_lists_keys_of_a_game_by_its_slug_and_shows_no_text(self, db, vault, key):
        await make_game_with_keys(db, vault, 2, title="Stocked")

        async with db.read() as reader:
            found = await list_keys(reader, game="stocked", state=None, limit=10)
            held = await list_keys(reader, game=None, state=KeyState.HELD, limit=10)
            with pytest.raises(NotFound, match="no game none"):
                await list_keys(reader, game="none", state=None, limit=10)

        assert len(found) == 2
        assert [each.id for each in held] == [key]
        assert "AAAAA" not in repr(held)
