"""Redis stops, or some processes cannot reach it: no stale value, no error, little delay."""

import asyncio
import time
from decimal import Decimal

import pytest

from keyshop.kit.cache.open import run_relay
from tests.factories.cached_shop import (
    cached_shop_at,
    cached_shop_without_redis,
    game_key,
    open_cached_shop,
    until,
)
from tests.keyshop.kit.cache.network import network_to

pytestmark = pytest.mark.timed

LATE = 0.4  # seconds of tolerance for a busy machine


class TestStoppedRedis:
    async def test_delays_one_write_by_a_second_at_most_and_the_next_ones_not(
        self, database_url, own_redis
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            own_redis.freeze()

            first = await cached_shop.set_price(game, "11.00")
            assert await cached_shop.price(game) == "11.00"
            following = [await cached_shop.set_price(game, f"12.0{cent}") for cent in range(5)]
            assert await cached_shop.price(game) == "12.04"
            own_redis.thaw()
            for _ in range(50):
                assert await cached_shop.price(game) == "12.04"
                await asyncio.sleep(0.01)

            assert first < 0.95 + LATE
            assert max(following) < 0.1 + LATE
            assert await cached_shop.until_kept(game) < 5

    async def test_costs_a_read_its_60_milliseconds_a_few_times_and_then_nothing(
        self, database_url, own_redis
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            own_redis.freeze()
            taken = []
            for _ in range(50):
                began = time.monotonic()
                assert await cached_shop.price(game) == "10.00"
                taken.append(time.monotonic() - began)
            own_redis.thaw()

            assert max(taken) < 0.06 + LATE
            assert len([seconds for seconds in taken if seconds > 0.05]) <= 5
            assert await cached_shop.until_kept(game) < 5

    async def test_costs_parallel_readers_no_more(self, database_url, own_redis):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            own_redis.freeze()
            began = time.monotonic()
            found = await asyncio.gather(*(cached_shop.price(game) for _ in range(50)))
            own_redis.thaw()

            assert set(found) == {"10.00"}
            assert time.monotonic() - began < 0.15 + LATE

    async def test_between_the_mark_and_the_publishing_costs_a_write_no_more_than_its_pipeline(
        self, database_url, own_redis
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            async with cached_shop.db.transaction() as tx:
                await tx.execute("UPDATE games SET price = 11 WHERE id = $1", game)
                xid = await tx.fetchval("SELECT pg_current_xact_id()::text")
                guard = cached_shop.guard
                prepared = await guard.before_commit(tx)
                own_redis.freeze()
                began = time.monotonic()
            # The block's own INTENT failed, so this one waited as an unguarded writer does.
            assert time.monotonic() - began < 0.95 + LATE
            assert prepared.xid == xid
            assert await cached_shop.price(game) == "11.00"
            own_redis.thaw()
            for _ in range(50):
                assert await cached_shop.price(game) == "11.00"
                await asyncio.sleep(0.01)
            assert await cached_shop.until_kept(game) < 5


class TestSlowRedis:
    @pytest.mark.parametrize("delay", [0.012, 0.04])
    async def test_costs_a_read_no_more_than_its_deadline(self, database_url, own_valkey, delay):
        """Each single call is fast enough; all calls of the read together are not."""
        async with network_to(own_valkey.port) as network:
            url = f"redis://127.0.0.1:{network.port}/0"
            async with (
                run_relay(database_url, own_valkey.url),
                cached_shop_at(database_url, url) as cached_shop,
            ):
                game = await cached_shop.add(price=Decimal("10.00"))
                await cached_shop.until_kept(game)
                own_valkey.execute("DEL", game_key(game).name)
                network.delay = delay
                for _ in range(5):
                    began = time.monotonic()
                    assert await cached_shop.price(game) == "10.00"
                    assert time.monotonic() - began < 0.06 + 0.1


class TestWriterWithoutTheCache:
    async def test_is_seen_by_those_with_it_before_its_write_is_acknowledged(
        self, database_url, redis_url
    ):
        async with (
            open_cached_shop(database_url, redis_url) as (cached_shop, game),
            cached_shop_without_redis(database_url) as other,
        ):
            for cent in range(20):
                await cached_shop.until_kept(game)
                took = await other.set_price(game, f"11.{cent:02}")
                assert await cached_shop.price(game) == f"11.{cent:02}"
                assert took < 0.95 + LATE

    async def test_is_not_held_up_for_long_where_no_relay_runs(self, database_url, redis_url):
        async with cached_shop_at(database_url, redis_url) as cached_shop:
            async with run_relay(database_url, redis_url):
                game = await cached_shop.add(price=Decimal("10.00"))
                await cached_shop.until_kept(game)
            async with cached_shop_without_redis(database_url) as other:
                assert await other.set_price(game, "11.00") < 0.95 + LATE
                assert await cached_shop.price(game) == "11.00"
                assert await other.set_price(game, "12.00") < 0.1 + LATE
                assert await cached_shop.price(game) == "12.00"

    async def test_can_be_the_first_in_a_new_shop(self, database_url):
        async with cached_shop_without_redis(database_url) as cached_shop:
            game = await cached_shop.add(price=Decimal("10.00"))
            assert await cached_shop.set_price(game, "11.00") < LATE
            assert await cached_shop.price(game) == "11.00"


class TestPartition:
    """One process cannot reach Redis; the others can."""

    async def test_hides_no_write_of_the_process_that_is_cut_off(self, database_url, own_valkey):
        async with network_to(own_valkey.port) as network:
            url = f"redis://127.0.0.1:{network.port}/0"
            async with (
                open_cached_shop(database_url, own_valkey.url) as (cached_shop, game),
                cached_shop_at(database_url, url) as other,
            ):
                await other.until_kept(game)
                network.hold()
                for cent in range(5):
                    await other.set_price(game, f"11.0{cent}")
                    assert await cached_shop.price(game) == f"11.0{cent}"
                network.release()
                for _ in range(30):
                    assert await cached_shop.price(game) == "11.04"
                    assert await other.price(game) == "11.04"
                    await asyncio.sleep(0.01)

    async def test_hides_no_write_from_the_process_that_is_cut_off(self, database_url, own_valkey):
        async with network_to(own_valkey.port) as network:
            url = f"redis://127.0.0.1:{network.port}/0"
            async with (
                open_cached_shop(database_url, own_valkey.url) as (cached_shop, game),
                cached_shop_at(database_url, url) as other,
            ):
                await other.until_kept(game)
                network.hold_answers()
                for cent in range(5):
                    reading = asyncio.create_task(other.price(game))
                    await asyncio.sleep(0)
                    await cached_shop.set_price(game, f"11.0{cent}")
                    assert await other.price(game) == f"11.0{cent}"
                    await reading
                network.release()
                assert await other.until_kept(game) < 5
                assert await other.price(game) == "11.04"

    async def test_around_the_relay_alone_ends_trust_and_comes_back(self, database_url, own_valkey):
        async with network_to(own_valkey.port) as network:
            url = f"redis://127.0.0.1:{network.port}/0"
            async with (
                run_relay(database_url, url),
                cached_shop_at(database_url, own_valkey.url) as cached_shop,
                cached_shop_without_redis(database_url) as other,
            ):
                game = await cached_shop.add(price=Decimal("10.00"))
                await cached_shop.until_kept(game)
                network.hold()
                await other.set_price(game, "11.00")
                assert await cached_shop.price(game) == "11.00"

                async def is_loaded() -> bool:
                    return not await cached_shop.keeps(game)

                await until(is_loaded, seconds=2)
                network.release()
                assert await cached_shop.until_kept(game) < 5
                assert await cached_shop.price(game) == "11.00"
