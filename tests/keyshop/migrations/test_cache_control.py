import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from tests.keyshop.migrations.outbox import Connection, add

pytestmark = pytest.mark.timed

GUARD = "SELECT * FROM keyshop.cache_guard($1)"
VIEW = "SELECT * FROM keyshop.cache_view()"


@pytest.fixture
async def others(database_url: str) -> AsyncIterator[list[Connection]]:
    """Three connections to a database for this test alone."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(3):
            connections.append(await asyncpg.connect(database_url))
            stack.push_async_callback(connections[-1].close)
        yield connections


async def open_cache(connection: Connection) -> int:
    """Open the cache and return its seq."""
    seq = await connection.fetchval("SELECT seq FROM keyshop.cache_close()")
    assert await connection.fetchval("SELECT keyshop.cache_open($1, 'redis-1')", seq)
    return int(await connection.fetchval("SELECT seq FROM keyshop.cache_control"))


class TestANewInstallation:
    async def test_trusts_no_redis(self, connection) -> None:
        view = await connection.fetchrow(VIEW)

        assert (view["state"], view["incarnation"], view["cold_next"]) == ("CLOSED", "", True)
        assert len(view["epoch"]) == 32

    async def test_has_its_own_name_in_redis(self, connection) -> None:
        shop = await connection.fetchval("SELECT keyshop.cache_shop()")
        await connection.execute(
            "UPDATE keyshop.cache_control SET installation = gen_random_uuid()"
        )
        copied = await connection.fetchval("SELECT keyshop.cache_shop()")

        assert (await connection.fetchrow(VIEW))["shop"] == copied
        assert len(shop) == len(copied) == 12
        assert shop != copied


class TestView:
    async def test_can_be_read_by_any_role_that_may_read_the_row(self, connection) -> None:
        await connection.execute("CREATE ROLE a_role_that_polls")
        await connection.execute("GRANT USAGE ON SCHEMA keyshop TO a_role_that_polls")
        await connection.execute("GRANT SELECT ON keyshop.cache_control TO a_role_that_polls")
        expected = await connection.fetchrow(VIEW)

        await connection.execute("SET LOCAL ROLE a_role_that_polls")
        found = await connection.fetchrow(VIEW)

        assert (found["shop"], found["timeline"]) == (expected["shop"], expected["timeline"])
        assert len(found["timeline"]) == 8

    async def test_computes_ages_by_the_databases_clock(self, connection) -> None:
        await connection.execute(
            """UPDATE keyshop.cache_control SET closed_at = clock_timestamp() - interval '7 s',
                relay_beat = clock_timestamp() - interval '9 s'"""
        )

        view = await connection.fetchrow(VIEW)

        assert 7 <= view["closed_seconds"] < 8
        assert 9 <= view["beat_seconds"] < 10

    async def test_treats_a_beat_in_the_future_as_old(self, connection) -> None:
        await connection.execute(
            "UPDATE keyshop.cache_control SET relay_beat = clock_timestamp() + interval '1 h'"
        )

        assert (await connection.fetchrow(VIEW))["beat_seconds"] > 3590


class TestSeq:
    @pytest.mark.parametrize(
        "change",
        [
            "epoch = 'other'",
            "incarnation = 'other'",
            "state = 'OPEN'",
            "cold_next = NOT cold_next",
            "installation = gen_random_uuid()",
            "blocked = 'triggers are disabled'",
            "state = 'OPEN', seq = 0",
        ],
    )
    async def test_rises_with_every_change_even_by_hand(self, connection, change: str) -> None:
        before = await connection.fetchval("SELECT seq FROM keyshop.cache_control")

        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(f"UPDATE keyshop.cache_control SET {change}")

        assert await connection.fetchval("SELECT seq FROM keyshop.cache_control") == before + 1

    @pytest.mark.parametrize(
        "change", ["relay_beat = clock_timestamp()", "state = state", "seq = seq + 9"]
    )
    async def test_stays_when_nothing_changes(self, connection, change: str) -> None:
        before = await connection.fetchval("SELECT seq FROM keyshop.cache_control")

        await connection.execute(f"UPDATE keyshop.cache_control SET {change}")

        assert await connection.fetchval("SELECT seq FROM keyshop.cache_control") == before


class TestClose:
    async def test_records_the_time(self, connection) -> None:
        opened = await open_cache(connection)
        await connection.execute("UPDATE keyshop.cache_control SET closed_at = 'epoch'")

        closed = await connection.fetchrow("SELECT * FROM keyshop.cache_close()")

        assert (closed["state"], closed["seq"]) == ("CLOSED", opened + 1)
        assert (await connection.fetchrow(VIEW))["closed_seconds"] < 5

    async def test_changes_nothing_when_it_is_closed_already(self, connection) -> None:
        first = await connection.fetchrow("SELECT * FROM keyshop.cache_close()")

        assert await connection.fetchrow("SELECT * FROM keyshop.cache_close()") == first

    async def test_does_not_close_a_cache_that_was_opened_since(self, connection) -> None:
        opened = await open_cache(connection)

        late = await connection.fetchrow("SELECT * FROM keyshop.cache_close($1)", opened - 1)
        own = await connection.fetchrow("SELECT * FROM keyshop.cache_close($1)", opened)

        assert (late["state"], late["seq"]) == ("OPEN", opened)
        assert (own["state"], own["seq"]) == ("CLOSED", opened + 1)

    async def test_by_hand_records_the_time_too(self, connection) -> None:
        await open_cache(connection)
        await connection.execute("UPDATE keyshop.cache_control SET closed_at = 'epoch'")

        await connection.execute("UPDATE keyshop.cache_control SET state = 'CLOSED'")

        assert (await connection.fetchrow(VIEW))["closed_seconds"] < 5


class TestDemandCold:
    async def test_takes_effect_only_while_the_cache_is_closed(self, connection) -> None:
        opened = await open_cache(connection)

        refused = await connection.fetchval("SELECT keyshop.cache_demand_cold()")
        unchanged = await connection.fetchrow(VIEW)
        await connection.execute("SELECT keyshop.cache_close()")
        heeded = await connection.fetchval("SELECT keyshop.cache_demand_cold()")
        changed = await connection.fetchrow(VIEW)

        assert (refused, heeded) == (False, True)
        assert (unchanged["seq"], unchanged["cold_next"]) == (opened, False)
        assert (changed["seq"], changed["cold_next"]) == (opened + 2, True)

    async def test_can_be_repeated_without_a_change(self, connection) -> None:
        before = await connection.fetchrow(VIEW)

        assert await connection.fetchval("SELECT keyshop.cache_demand_cold()") is True

        assert (await connection.fetchrow(VIEW))["seq"] == before["seq"]


class TestOpen:
    async def test_begins_a_new_epoch_on_the_given_redis(self, connection) -> None:
        before = await connection.fetchrow(VIEW)

        opened = await connection.fetchval(
            "SELECT keyshop.cache_open($1, 'redis-1')", before["seq"]
        )

        after = await connection.fetchrow(VIEW)
        assert opened is True
        assert (after["state"], after["incarnation"], after["cold_next"]) == (
            "OPEN",
            "redis-1",
            False,
        )
        assert after["epoch"] != before["epoch"]
        assert len(after["epoch"]) == 32
        assert after["seq"] == before["seq"] + 1

    async def test_does_nothing_after_a_change(self, connection) -> None:
        before = await connection.fetchrow(VIEW)
        await connection.execute("UPDATE keyshop.cache_control SET cold_next = false")

        opened = await connection.fetchval("SELECT keyshop.cache_open($1, '')", before["seq"])

        assert opened is False
        assert (await connection.fetchrow(VIEW))["state"] == "CLOSED"

    async def test_does_nothing_when_it_is_open(self, connection) -> None:
        opened = await open_cache(connection)

        assert await connection.fetchval("SELECT keyshop.cache_open($1, '')", opened) is False

    @pytest.mark.parametrize("call", ["cache_open($1, 'redis-1')", "cache_open_warm($1)"])
    async def test_returns_false_while_a_writer_is_about_to_commit(self, others, call: str) -> None:
        writer, leader, next_writer = others
        seq = await open_cache(leader)
        await leader.execute("SELECT keyshop.cache_close()")
        about_to_commit = writer.transaction()
        await about_to_commit.start()
        await writer.fetchrow(GUARD, False)

        began = time.monotonic()
        attempt = asyncio.create_task(leader.fetchval(f"SELECT keyshop.{call}", seq + 1))
        await _until_a_lock_is_awaited(writer)
        await next_writer.fetchrow(GUARD, False)
        opened = await attempt
        seconds = time.monotonic() - began
        await about_to_commit.commit()

        assert opened is False
        # 50 ms, and what a busy machine adds to them.
        assert seconds < 1
        assert await leader.fetchval(f"SELECT keyshop.{call}", seq + 1) is True

    async def test_releases_its_lock(self, others) -> None:
        leader, writer, _ = others
        await open_cache(leader)

        control = await writer.fetchrow(GUARD, False)

        assert control["state"] == "OPEN"


class TestOpenWarm:
    async def test_keeps_the_epoch(self, connection) -> None:
        opened = await open_cache(connection)
        before = await connection.fetchrow(VIEW)
        await connection.execute("SELECT keyshop.cache_close()")

        assert await connection.fetchval("SELECT keyshop.cache_open_warm($1)", opened + 1) is True

        after = await connection.fetchrow(VIEW)
        assert after["state"] == "OPEN"
        assert (after["epoch"], after["incarnation"]) == (before["epoch"], before["incarnation"])

    async def test_is_refused_while_unguarded_rows_are_left(self, connection) -> None:
        opened = await open_cache(connection)
        await connection.execute("SELECT keyshop.cache_close()")
        await add(connection, "games", id="unguarded")

        early = await connection.fetchval("SELECT keyshop.cache_open_warm($1)", opened + 1)
        await connection.fetchrow(GUARD, True)
        guarded = await connection.fetchval("SELECT keyshop.cache_open_warm($1)", opened + 1)

        assert (early, guarded) == (False, True)

    async def test_is_refused_where_a_new_epoch_was_demanded(self, connection) -> None:
        opened = await open_cache(connection)
        await connection.execute("SELECT keyshop.cache_close()")
        await connection.execute("SELECT keyshop.cache_demand_cold()")

        assert await connection.fetchval("SELECT keyshop.cache_open_warm($1)", opened + 2) is False


class TestGuard:
    async def test_marks_only_the_rows_of_its_transaction(self, others) -> None:
        writer, foreigner, _ = others
        await add(foreigner, "games", id="foreign")
        async with writer.transaction():
            await add(writer, "games", id="own")
            await writer.fetchrow(GUARD, True)

        found = await writer.fetch("SELECT guarded FROM keyshop.cache_outbox ORDER BY id")

        assert [record["guarded"] for record in found] == [False, True]

    async def test_can_remove_its_mark(self, connection) -> None:
        await add(connection, "games", id="own")

        await connection.fetchrow(GUARD, True)
        await connection.fetchrow(GUARD, False)

        assert await connection.fetchval("SELECT bool_or(guarded) FROM keyshop.cache_outbox") is (
            False
        )

    async def test_sees_what_was_committed_while_it_waited(self, others) -> None:
        writer, leader, _ = others
        seq = await leader.fetchval("SELECT seq FROM keyshop.cache_control")
        opening = leader.transaction()
        await opening.start()
        await leader.fetchval("SELECT keyshop.cache_open($1, 'redis-1')", seq)

        async with writer.transaction():
            guard = asyncio.create_task(writer.fetchrow(GUARD, False))
            await _until_a_lock_is_awaited(leader)
            await opening.commit()
            control = await guard

        assert (control["state"], control["seq"]) == ("OPEN", seq + 1)

    @pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
    async def test_refuses_to_read_an_old_snapshot(self, others, isolation: str) -> None:
        writer, *_ = others

        async with writer.transaction(isolation=isolation):
            with pytest.raises(
                asyncpg.InvalidTransactionStateError, match="must be called at READ COMMITTED"
            ):
                async with writer.transaction():
                    await writer.fetchrow(GUARD, False)


class TestConcurrentChanges:
    async def test_a_new_slug_waits_for_a_link_that_was_removed(self, others) -> None:
        linker, renamer, _ = others
        await add(linker, "games", id="witcher", slug="old")
        await add(linker, "genres", id="rpg", name="RPG", slug="rpg")
        await add(linker, "game_genres", gameId="witcher", genreId="rpg")

        async with linker.transaction():
            await linker.execute("DELETE FROM game_genres")
            renaming = asyncio.create_task(renamer.execute("UPDATE games SET slug = 'new'"))
            await _until_a_lock_is_awaited(linker)
        await renaming

        assert await renamer.fetchval("SELECT slug FROM games") == "new"

    async def test_a_new_owner_waits_for_a_changed_item(self, others) -> None:
        shopper, mover, _ = others
        await _order(shopper)

        async with shopper.transaction():
            await shopper.execute("UPDATE order_items SET quantity = 2")
            moving = asyncio.create_task(mover.execute("UPDATE orders SET \"userId\" = 'bob'"))
            await _until_a_lock_is_awaited(shopper)
        await moving

        assert await mover.fetchval('SELECT "userId" FROM orders') == "bob"

    async def test_an_item_that_changes_after_its_orders_owner_finds_the_new_one(
        self, others
    ) -> None:
        shopper, mover, _ = others
        await _order(shopper)
        await shopper.execute("DELETE FROM keyshop.cache_outbox")

        async with mover.transaction():
            await mover.execute("UPDATE orders SET \"userId\" = 'bob'")
            changing = asyncio.create_task(shopper.execute("UPDATE order_items SET quantity = 2"))
            await _until_a_lock_is_awaited(mover)
        await changing

        keys = await shopper.fetchval(
            "SELECT keys FROM keyshop.cache_outbox ORDER BY id DESC LIMIT 1"
        )
        assert set(keys) == {"order:order", "user:bob:orders", "user:bob:profile"}

    async def test_an_order_changes_its_state_without_waiting_for_its_items(self, others) -> None:
        shopper, worker, _ = others
        await _order(shopper)

        async with shopper.transaction():
            await shopper.execute("UPDATE order_items SET quantity = 2")
            await asyncio.wait_for(
                worker.execute("UPDATE orders SET status = 'COMPLETED'"), timeout=10
            )


async def _order(connection: Connection) -> None:
    await add(connection, "games", id="portal")
    for name in ("alice", "bob"):
        await add(connection, "users", id=name)
    await add(connection, "orders", id="order", userId="alice")
    await add(connection, "order_items", id="item", orderId="order", gameId="portal")


async def _until_a_lock_is_awaited(connection: Connection) -> None:
    """Return as soon as a session of this database waits for a lock."""
    async with asyncio.timeout(10):
        while True:
            if await connection.fetchval(_IS_A_LOCK_AWAITED):
                return
            await asyncio.sleep(0.001)


_IS_A_LOCK_AWAITED = """
    SELECT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    )
"""
