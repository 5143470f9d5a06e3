"""Reads through the cache: which values are stored, for how long, and which are never served."""

import asyncio
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from keyshop.kit.cache.protocol import Loaded
from keyshop.kit.clock import utc_now
from tests.factories.cached_shop import CachedShop, cached_shop_at, game_key

pytestmark = pytest.mark.timed

LATE = 0.25  # seconds of tolerance for a busy machine


class TestKeptPrice:
    async def test_is_served_without_asking_postgresql(self, cached_shop, game):
        assert await cached_shop.price(game) == "10.00"
        assert cached_shop.loads == 0

    async def test_is_replaced_by_the_write_before_it_is_acknowledged(self, cached_shop, game):
        for cents in range(20):
            await cached_shop.set_price(game, f"11.{cents:02}")
            assert await cached_shop.price(game) == f"11.{cents:02}"

    async def test_is_seen_by_other_processes_of_the_shop(
        self, cached_shop, game, module_database_url, redis_url
    ):
        async with cached_shop_at(module_database_url, redis_url) as other:
            await other.until_kept(game)
            await other.set_price(game, "12.00")
            assert await cached_shop.price(game) == "12.00"
            await cached_shop.until_kept(game)
            loads = other.loads
            assert await other.price(game) == "12.00"
            assert other.loads == loads

    async def test_lives_a_little_shorter_than_its_familys_time(self, cached_shop, game, execute):
        left = execute("PTTL", game_key(game).name) / 1000
        assert 0.9 * 3600 - 60 < left <= 3600

    async def test_is_dropped_when_the_game_is(self, cached_shop, game):
        async with cached_shop.db.transaction() as tx:
            await tx.execute("DELETE FROM games WHERE id = $1", game)

        assert await cached_shop.price(game) is None

    async def test_of_every_game_is_dropped_when_all_games_are(self, cached_shop, game):
        async with cached_shop.db.transaction() as tx:
            await tx.execute("TRUNCATE games CASCADE")

        assert await cached_shop.price(game) is None


class TestLateFill:
    async def test_does_not_bring_back_what_was_changed_while_it_loaded(self, cached_shop, game):
        await cached_shop.set_price(game, "11.00")
        looked, changed = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await changed.wait()

        slow = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        await cached_shop.set_price(game, "12.00")
        changed.set()

        assert await slow == "11.00"
        for _ in range(5):
            assert await cached_shop.price(game) == "12.00"
        assert await cached_shop.until_kept(game) < 1

    async def test_of_another_process_does_not_either(
        self, cached_shop, game, module_database_url, redis_url
    ):
        async with cached_shop_at(module_database_url, redis_url) as other:
            await other.until_kept(game)
            await cached_shop.set_price(game, "11.00")
            looked, changed = asyncio.Event(), asyncio.Event()

            async def pause_load() -> None:
                looked.set()
                await changed.wait()

            slow = asyncio.create_task(other.price(game, after=pause_load()))
            await looked.wait()
            await cached_shop.set_price(game, "12.00")
            changed.set()
            await slow
            # No read may return a price older than the acknowledged one.
            assert await other.price(game) == "12.00"
            assert await cached_shop.price(game) == "12.00"

    async def test_is_refused_when_its_lease_was_lost(self, cached_shop, game, execute, shop):
        await cached_shop.set_price(game, "11.00")
        looked, lost = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await lost.wait()

        slow = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        assert execute("DEL", f"cl:{shop}:{game_key(game).name}") == 1
        lost.set()
        await slow
        await ended_fills(cached_shop)

        assert execute("GET", game_key(game).name) is None

    async def test_is_refused_under_another_lease(self, cached_shop, game, execute, shop):
        await cached_shop.set_price(game, "11.00")
        looked, lost = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await lost.wait()

        slow = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        execute("SET", f"cl:{shop}:{game_key(game).name}", "another")
        lost.set()
        await slow
        await ended_fills(cached_shop)

        assert execute("GET", game_key(game).name) is None

    async def test_is_refused_when_its_group_changed_meanwhile(
        self, cached_shop, game, execute, shop
    ):
        await cached_shop.set_price(game, "11.00")
        looked, changed = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await changed.wait()

        slow = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        execute("SET", f"gen:{shop}:games", "another")
        changed.set()
        await slow
        await ended_fills(cached_shop)

        assert execute("GET", game_key(game).name) is None

    async def test_is_refused_while_the_group_is_being_changed(
        self, cached_shop, game, execute, shop
    ):
        await cached_shop.set_price(game, "11.00")
        looked, changed = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await changed.wait()

        slow = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        execute("HSET", f"cw:{shop}:games", "7", "0")
        changed.set()
        await slow
        await ended_fills(cached_shop)

        assert execute("GET", game_key(game).name) is None


class TestForeignValue:
    """A value under the right name that belongs to another key or epoch."""

    @pytest.mark.parametrize("part", ["format", "shop", "timeline", "epoch", "key", "generation"])
    async def test_of_another_is_not_served(self, cached_shop, game, execute, part):
        name = game_key(game).name
        parts = split(execute("GET", name))
        parts[part] = f"another {part}"
        value = "{format}|{shop}.{timeline}.{epoch}|{key}|{generation}|66.66".format(**parts)
        execute("SET", name, value)

        assert await cached_shop.price(game) == "10.00"
        assert await cached_shop.until_kept(game) < 1
        assert split(execute("GET", name))["payload"] == "10.00"

    async def test_that_crossed_over_from_another_key_is_not_served(
        self, cached_shop, game, execute
    ):
        other = await cached_shop.add(price=Decimal("20.00"), title="Other")
        await cached_shop.until_kept(other)
        execute("SET", game_key(game).name, execute("GET", game_key(other).name))

        assert await cached_shop.price(game) == "10.00"

    @pytest.mark.parametrize(
        "value", [b"", b"|", b"|||", b"10.00", b"\xff\xfe|\x00|", b'{"price": 66.66}']
    )
    async def test_that_the_shop_did_not_write_is_not_served(
        self, cached_shop, game, execute, value
    ):
        execute("SET", game_key(game).name, value)

        assert await cached_shop.price(game) == "10.00"
        assert await cached_shop.until_kept(game) < 1

    async def test_of_another_type_fails_no_read(self, cached_shop, game, execute):
        execute("DEL", game_key(game).name)
        execute("HSET", game_key(game).name, "price", "66.66")

        assert await cached_shop.price(game) == "10.00"
        await cached_shop.set_price(game, "11.00")
        assert await cached_shop.price(game) == "11.00"

    async def test_of_the_group_fails_no_read(self, cached_shop, game, execute, shop):
        execute("SET", f"gen:{shop}:games", b"\xff|\xfe")
        await cached_shop.price(game)

        assert await cached_shop.price(game) == "10.00"

    async def test_of_the_token_fails_no_read_and_is_replaced(
        self, cached_shop, game, execute, shop
    ):
        execute("SET", f"cl:{shop}:token", b"\xff\xfe")

        assert await cached_shop.price(game) == "10.00"
        await cached_shop.set_price(game, "11.00")
        assert await cached_shop.price(game) == "11.00"
        assert await cached_shop.until_kept(game) < 5


class TestMarker:
    async def test_makes_readers_ask_postgresql_and_keep_nothing(
        self, cached_shop, game, execute, shop
    ):
        name = game_key(game).name
        async with cached_shop.db.read() as reader:
            await reader.fetchval("SELECT pg_current_xact_id()")
            xid = await reader.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")
        execute("DEL", name)
        execute("HSET", f"cw:{shop}:{name}", xid, now_ms(execute))

        for _ in range(3):
            assert not await cached_shop.keeps(game)
        assert execute("GET", name) is None

    @pytest.mark.parametrize(
        "xid",
        [
            pytest.param("3", id="of a transaction that ended long ago"),
            pytest.param("18000000000000000000", id="of the future"),
            pytest.param("no number", id="that is no id"),
            pytest.param(b"\xff\xfe", id="that is no text"),
        ],
    )
    @pytest.mark.parametrize("of_group", [False, True])
    async def test_of_an_ended_transaction_is_dropped_when_it_is_old(
        self, cached_shop, game, execute, shop, xid, of_group
    ):
        name = game_key(game).name
        markers = f"cw:{shop}:{'games' if of_group else name}"
        execute("DEL", name)
        execute("HSET", markers, xid, now_ms(execute) - 1500)

        assert await cached_shop.until_kept(game, seconds=3) < 3
        assert execute("EXISTS", markers) == 0

    async def test_without_a_time_is_dropped_too(self, cached_shop, game, execute, shop):
        name = game_key(game).name
        execute("DEL", name)
        execute("HSET", f"cw:{shop}:{name}", "3", "yesterday")

        assert await cached_shop.until_kept(game, seconds=3) < 3

    async def test_of_a_transaction_under_way_stays_however_old_it_is(
        self, cached_shop, game, execute, shop
    ):
        name = game_key(game).name
        execute("DEL", name)
        async with cached_shop.db.transaction() as tx:
            xid = await tx.fetchval("SELECT pg_current_xact_id()::text")
            execute("HSET", f"cw:{shop}:{name}", xid, now_ms(execute) - 60_000)

            async def read_price() -> None:
                for _ in range(10):
                    assert not await cached_shop.keeps(game)
                    await asyncio.sleep(0.02)

            await outside(read_price())
            assert execute("HEXISTS", f"cw:{shop}:{name}", xid) == 1
        assert await cached_shop.until_kept(game, seconds=3) < 3


class TestSingleFlight:
    async def test_loads_once_or_twice_for_fifty_who_ask_at_once(self, cached_shop, game):
        await cached_shop.set_price(game, "11.00")

        found = await asyncio.gather(*(cached_shop.price(game) for _ in range(50)))

        assert set(found) == {"11.00"}
        assert cached_shop.loads <= 2

    async def test_loads_a_few_times_for_fifty_when_nothing_can_be_kept(
        self, cached_shop, game, execute, shop
    ):
        execute("DEL", game_key(game).name)
        execute("HSET", f"cw:{shop}:{game_key(game).name}", "3", now_ms(execute) + 60_000)

        found = await asyncio.gather(*(cached_shop.price(game) for _ in range(50)))

        assert set(found) == {"10.00"}
        assert cached_shop.loads <= 3

    async def test_of_two_processes_loads_once_or_twice(
        self, cached_shop, game, module_database_url, redis_url
    ):
        async with cached_shop_at(module_database_url, redis_url) as other:
            await other.until_kept(game)
            other.loads = 0
            await cached_shop.set_price(game, "11.00")

            both = [process.price(game) for process in (cached_shop, other) for _ in range(20)]
            assert set(await asyncio.gather(*both)) == {"11.00"}
            assert cached_shop.loads + other.loads <= 2

    async def test_gives_no_joiner_what_was_read_before_an_acknowledged_write(
        self, cached_shop, game
    ):
        await cached_shop.set_price(game, "11.00")
        looked, arrived = asyncio.Event(), asyncio.Event()

        async def pause_load() -> None:
            looked.set()
            await arrived.wait()

        leader = asyncio.create_task(cached_shop.price(game, after=pause_load()))
        await looked.wait()
        await cached_shop.set_price(game, "12.00")
        joiners = [asyncio.create_task(cached_shop.price(game)) for _ in range(10)]
        await asyncio.sleep(0)
        arrived.set()

        assert await leader == "11.00"
        assert set(await asyncio.gather(*joiners)) == {"12.00"}

    async def test_survives_a_leader_whose_load_fails(self, cached_shop, game):
        await cached_shop.set_price(game, "11.00")
        began, fails = asyncio.Event(), asyncio.Event()

        async def fail() -> None:
            began.set()
            await fails.wait()
            raise ZeroDivisionError

        leader = asyncio.create_task(cached_shop.price(game, before=fail()))
        await began.wait()
        joiners = [asyncio.create_task(cached_shop.price(game)) for _ in range(10)]
        await asyncio.sleep(0)
        fails.set()

        with pytest.raises(ZeroDivisionError):
            await leader
        assert set(await asyncio.gather(*joiners)) == {"11.00"}

    async def test_survives_a_leader_that_is_cancelled(self, cached_shop, game):
        await cached_shop.set_price(game, "11.00")
        began = asyncio.Event()

        async def wait() -> None:
            began.set()
            await asyncio.Event().wait()

        leader = asyncio.create_task(cached_shop.price(game, before=wait()))
        await began.wait()
        joiners = [asyncio.create_task(cached_shop.price(game)) for _ in range(10)]
        await asyncio.sleep(0)
        leader.cancel()

        assert set(await asyncio.gather(*joiners)) == {"11.00"}
        with pytest.raises(asyncio.CancelledError):
            await leader

    async def test_does_not_make_others_wait_long_for_an_unused_lease(self, cached_shop, game):
        """The leader's load failed: the lease is released at once, not after two seconds."""
        await cached_shop.set_price(game, "11.00")

        async def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await cached_shop.price(game, before=fail())
        assert await cached_shop.until_kept(game) < 0.15 + LATE


class TestAbsentGame:
    async def test_is_remembered_for_half_a_minute(self, cached_shop, game, execute):
        del game
        assert await cached_shop.price("nowhere") is None
        await cached_shop.until_kept("nowhere")

        assert 20 < execute("PTTL", "game:nowhere") / 1000 <= 30

    async def test_is_found_as_soon_as_it_is_added(self, cached_shop, game):
        del game
        await cached_shop.price("new")
        await cached_shop.until_kept("new")

        await cached_shop.add(id="new", price=Decimal("5.00"), title="New")

        assert await cached_shop.price("new") == "5.00"


class TestAnswer:
    async def test_that_expires_with_time_is_not_kept_longer_than_it_is_true(
        self, cached_shop, game, execute
    ):
        cached_shop.valid_until = utc_now() + timedelta(seconds=1)
        await cached_shop.set_price(game, "11.00")
        await cached_shop.until_kept(game)

        assert execute("PTTL", game_key(game).name) <= 1000

    async def test_that_is_wrong_already_is_not_kept(self, cached_shop, game, execute):
        cached_shop.valid_until = utc_now() - timedelta(seconds=1)
        await cached_shop.set_price(game, "11.00")

        for _ in range(3):
            assert not await cached_shop.keeps(game)
        assert execute("GET", game_key(game).name) is None

    async def test_that_is_wrong_already_makes_no_read_wait(self, cached_shop, game):
        cached_shop.valid_until = utc_now() - timedelta(seconds=1)
        await cached_shop.set_price(game, "11.00")
        await cached_shop.price(game)

        began = time.monotonic()
        for _ in range(4):
            assert await cached_shop.price(game) == "11.00"
        assert time.monotonic() - began < 0.15

    async def test_of_more_than_four_megabytes_is_not_kept_and_makes_no_read_wait(
        self, cached_shop, game, execute
    ):
        large = "x" * (4 * 1024 * 1024 + 1)
        execute("DEL", game_key(game).name)

        async def load() -> Loaded:
            return Loaded(large.encode())

        began = time.monotonic()
        for _ in range(4):
            assert await cached_shop.read(game_key(game), load) == large
        assert time.monotonic() - began < 0.3
        assert execute("GET", game_key(game).name) is None

    async def test_of_a_megabyte_is_kept_byte_by_byte(self, cached_shop, game, execute):
        payload = bytes(range(256)) * 4096
        execute("DEL", game_key(game).name)

        async def load() -> Loaded:
            return Loaded(payload)

        assert await cached_shop.cache.read(game_key(game), load, now=utc_now()) == payload
        await ended_fills(cached_shop)

        async def refuse() -> Loaded:
            raise AssertionError

        assert await cached_shop.cache.read(game_key(game), refuse, now=utc_now()) == payload

    async def test_without_a_key_is_loaded_every_time(self, cached_shop, game):
        for _ in range(2):
            assert await cached_shop.read(None, lambda: cached_shop.load(game)) == "10.00"
        assert cached_shop.loads == 2


class TestInsideATransaction:
    async def test_nothing_is_read_through_the_cache(self, cached_shop, game):
        with pytest.raises(RuntimeError, match="transaction"):
            async with cached_shop.db.transaction():
                await cached_shop.price(game)

        assert await cached_shop.price(game) == "10.00"

    async def test_is_refused_without_a_key_as_well(self, cached_shop, game):
        with pytest.raises(RuntimeError, match="transaction"):
            async with cached_shop.db.transaction():
                await cached_shop.read(None, lambda: cached_shop.load(game))


class TestCancelledReader:
    async def test_leaves_right_answers_to_all_others(self, cached_shop, game):
        others = {
            await cached_shop.add(
                price=Decimal(cents) / 100, title=f"Game {cents}"
            ): f"{cents / 100:.2f}"
            for cents in range(100, 130)
        }
        for _ in range(20):
            doomed = [asyncio.create_task(cached_shop.price(game)) for _ in range(5)]
            asked = {other: asyncio.create_task(cached_shop.price(other)) for other in others}
            await asyncio.sleep(0)
            for task in doomed[::2]:
                task.cancel()
            assert {other: await task for other, task in asked.items()} == others
            await asyncio.gather(*doomed, return_exceptions=True)
        assert await cached_shop.until_kept(game) < 5


async def ended_fills(cached_shop: CachedShop) -> None:
    """Wait for the fills of the last answers."""
    await cached_shop.cache.close()  # type: ignore[attr-defined]  # the fills under way end, no more


async def outside(work) -> None:
    """Run the work in another task, outside the transaction."""
    import contextvars

    await asyncio.create_task(work, context=contextvars.Context())


def now_ms(execute) -> int:
    seconds, microseconds = execute("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000


def split(value: bytes) -> dict[str, str]:
    """Parse a cached value."""
    form, tag, key, generation, payload = value.decode().split("|", 4)
    shop, timeline, epoch = tag.split(".")
    return {
        "format": form,
        "shop": shop,
        "timeline": timeline,
        "epoch": epoch,
        "key": key,
        "generation": generation,
        "payload": payload,
    }
