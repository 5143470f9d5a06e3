"""Showing delivered keys to their owner."""

from datetime import timedelta

from keyshop.keys.reveal_keys import reveal
from keyshop.keys.take_keys import mark_delivered, mark_revoked, take_free_keys
from keyshop.kit.ids import new_id
from tests.factories.games import NOON
from tests.factories.vault import key_texts, make_game_with_keys


async def deliver(db, game_id, order_id, *, count=1):
    async with db.transaction() as tx:
        taken = await take_free_keys(tx, game_id, count)
        for key in taken:
            await mark_delivered(
                tx, vault_key_id=key, order_id=order_id, unit_id=f"unit of {key}", now=NOON
            )
    return taken


async def show(db, vault, order_id, *, now=NOON):
    async with db.transaction() as tx:
        shown = await reveal(tx, vault, order_id=order_id, user_id="alice", now=now)
    return {key: text.reveal() for key, text in shown.items()}


async def list_reveals(db):
    async with db.read() as reader:
        return [
            tuple(record)
            for record in await reader.fetch(
                "SELECT vault_key_id, user_id, day::text FROM keyshop.key_reveals ORDER BY day, 1"
            )
        ]


class TestReveal:
    async def test_shows_the_keys_of_the_order_alone(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 3)
        mine = await deliver(db, game_id, order_id, count=2)

        shown = await show(db, vault, order_id)

        assert sorted(shown) == sorted(mine)
        assert len(set(shown.values())) == 2
        assert set(shown.values()) < set(key_texts(3, prefix=game_id))

    async def test_is_recorded_once_for_each_key_user_and_day(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        [key] = await deliver(db, game_id, order_id)

        for hours in (0, 1, 11, 12):
            await show(db, vault, order_id, now=NOON + timedelta(hours=hours))

        assert await list_reveals(db) == [
            (key, "alice", "2026-06-15"),
            (key, "alice", "2026-06-16"),
        ]

    async def test_still_shows_a_key_that_was_refunded(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        [key] = await deliver(db, game_id, order_id)
        async with db.transaction() as tx:
            await mark_revoked(tx, [f"unit of {key}"], NOON)

        assert await show(db, vault, order_id) == {key: f"{game_id}-00000"}

    async def test_still_shows_a_key_whose_row_another_program_took_away(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 2)
        [changed, deleted] = await deliver(db, game_id, order_id, count=2)
        async with db.transaction() as tx:
            await tx.execute('UPDATE game_keys SET "orderId" = NULL WHERE id = $1', changed)
            await tx.execute("DELETE FROM game_keys WHERE id = $1", deleted)

        assert sorted(await show(db, vault, order_id)) == sorted([changed, deleted])

    async def test_shows_texts_of_orders_that_are_older_than_the_vault(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 0)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO game_keys (id, "gameId", key, "orderId")'
                " VALUES ('old', $1, 'OLD-KEY', $2), ('lost', $1, 'sealed:lost', $2)",
                game_id,
                order_id,
            )

        assert await show(db, vault, order_id) == {"old": "OLD-KEY"}

    async def test_shows_no_free_key_that_another_program_assigned(self, db, vault, order_id):
        await make_game_with_keys(db, vault, 1)
        async with db.transaction() as tx:
            await tx.execute('UPDATE game_keys SET "orderId" = $1', order_id)

        assert await show(db, vault, order_id) == {}

    async def test_leaves_out_a_key_that_was_moved_to_another_row(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 2)
        kept, moved = await deliver(db, game_id, order_id, count=2)
        async with db.transaction() as tx:
            await tx.execute(
                "UPDATE keyshop.vault_keys SET ciphertext ="
                " (SELECT ciphertext FROM keyshop.vault_keys WHERE id = $1) WHERE id = $2",
                kept,
                moved,
            )

        assert list(await show(db, vault, order_id)) == [kept]

    async def test_unseals_after_the_games_id_was_changed(self, db, vault, order_id):
        game_id = await make_game_with_keys(db, vault, 1)
        [key] = await deliver(db, game_id, order_id)
        async with db.transaction() as tx:
            await tx.execute("UPDATE games SET id = $2 WHERE id = $1", game_id, new_id())

        assert await show(db, vault, order_id) == {key: f"{game_id}-00000"}
