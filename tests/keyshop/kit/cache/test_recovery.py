"""Redis is lost, emptied, restored or replaced: no stale value, and trust returns soon."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import pytest

from keyshop.kit.cache.open import run_relay
from tests.factories.cached_shop import (
    CachedShop,
    cached_shop_at,
    cached_shop_without_redis,
    game_key,
    open_cached_shop,
    until,
)
from tests.keyshop.kit.cache.redis_process import RedisProcess, serving

pytestmark = pytest.mark.timed

Accident: TypeAlias = Callable[[RedisProcess], None]

SOON = 5.0  # seconds; the shop promises 1.5


def restart_empty(server: RedisProcess) -> None:
    server.kill()
    (server.folder / "dump.rdb").unlink(missing_ok=True)
    server.start()


def restart_with_old_file(server: RedisProcess) -> None:
    server.kill()
    server.start()


def flush(server: RedisProcess) -> None:
    server.execute("FLUSHALL")


def flush_scripts(server: RedisProcess) -> None:
    server.execute("SCRIPT", "FLUSH")


def break_connections(server: RedisProcess) -> None:
    server.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def fill_memory(server: RedisProcess) -> None:
    server.execute("CONFIG", "SET", "maxmemory", "1")


def refuse_policy(server: RedisProcess) -> None:
    server.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")


def be_replica(server: RedisProcess) -> None:
    server.execute("REPLICAOF", "127.0.0.1", "1")


def be_itself(server: RedisProcess) -> None:
    server.execute("REPLICAOF", "NO", "ONE")
    server.execute("CONFIG", "SET", "maxmemory", "0")
    server.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def reads_stay_right(
    cached_shop: CachedShop, game: str, price: str, *, times: int = 20
) -> None:
    for _ in range(times):
        assert await cached_shop.price(game) == price
        await asyncio.sleep(0.01)


class TestRedis:
    @pytest.mark.parametrize(
        "happens",
        [restart_empty, restart_with_old_file, flush, flush_scripts, break_connections],
        ids=lambda happens: happens.__name__,
    )
    async def test_serves_nothing_old_and_is_soon_trusted_after(
        self, database_url, own_redis, happens: Accident, record_property
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            own_redis.execute("SAVE")  # contains the cached 10.00
            await cached_shop.set_price(game, "11.00")
            await cached_shop.until_kept(game)

            await asyncio.to_thread(happens, own_redis)

            await reads_stay_right(cached_shop, game, "11.00")
            seconds = await cached_shop.until_kept(game)
            record_property("seconds_until_trusted", round(seconds, 3))
            assert seconds < SOON
            await reads_stay_right(cached_shop, game, "11.00")
            await cached_shop.set_price(game, "12.00")
            await reads_stay_right(cached_shop, game, "12.00")

    @pytest.mark.parametrize(
        "happens", [fill_memory, refuse_policy, be_replica], ids=lambda happens: happens.__name__
    )
    async def test_serves_nothing_old_while_it_is_unfit_and_is_soon_trusted_after(
        self, database_url, own_redis, happens: Accident
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            happens(own_redis)
            for cent in range(8):
                await cached_shop.set_price(game, f"11.0{cent}")
                await reads_stay_right(cached_shop, game, f"11.0{cent}", times=10)
                await asyncio.sleep(0.1)
            be_itself(own_redis)

            await reads_stay_right(cached_shop, game, "11.07")
            assert await cached_shop.until_kept(game) < SOON
            await reads_stay_right(cached_shop, game, "11.07")

    async def test_keeps_writers_guarded_in_a_full_memory(self, database_url, own_redis):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            fill_memory(own_redis)
            for cent in range(10):
                assert await cached_shop.set_price(game, f"11.0{cent}") < 0.3
                assert await cached_shop.price(game) == f"11.0{cent}"

    async def test_replaced_by_another_server_is_trusted_again_without_its_old_values(
        self, database_url, own_redis
    ):
        async with open_cached_shop(database_url, own_redis.url) as (cached_shop, game):
            await asyncio.to_thread(own_redis.kill)
            with serving("valkey") as other:
                other.kill()
                other.port = own_redis.port
                await asyncio.to_thread(other.start)
                await cached_shop.set_price(game, "11.00")
                await reads_stay_right(cached_shop, game, "11.00")
                assert await cached_shop.until_kept(game) < SOON
                await asyncio.to_thread(other.kill)
            await asyncio.to_thread(own_redis.start)
            await cached_shop.set_price(game, "12.00")
            await reads_stay_right(cached_shop, game, "12.00")
            assert await cached_shop.until_kept(game) < SOON

    async def test_may_be_away_at_the_start(self, database_url, own_valkey):
        own_valkey.kill()
        async with (
            run_relay(database_url, own_valkey.url),
            cached_shop_at(database_url, own_valkey.url) as cached_shop,
        ):
            game = await cached_shop.add(price=10)
            assert await cached_shop.price(game) == "10.00"
            assert await cached_shop.set_price(game, "11.00") < 1.3
            await asyncio.to_thread(own_valkey.start)
            assert await cached_shop.until_kept(game) < SOON
            assert await cached_shop.price(game) == "11.00"

    async def test_that_becomes_the_replica_of_one_that_lagged_behind_shows_nothing_old(
        self, database_url, kind
    ):
        """An old state of its data returns, token included, while its connections stay open."""
        quick = ("--repl-diskless-sync-delay", "0")
        with serving(kind, *quick) as first, serving(kind, *quick) as second:
            async with open_cached_shop(database_url, first.url) as (cached_shop, game):
                second.execute("REPLICAOF", "127.0.0.1", str(first.port))

                async def has_copied() -> bool:
                    return bool(second.execute("EXISTS", game_key(game).name))

                await until(has_copied)
                second.execute("REPLICAOF", "NO", "ONE")  # from here on it lags behind
                await cached_shop.set_price(game, "11.00")
                await cached_shop.until_kept(game)

                first.execute("REPLICAOF", "127.0.0.1", str(second.port))

                async with asyncio.timeout(10):
                    while b"10.00" not in (first.execute("GET", game_key(game).name) or b""):
                        assert await cached_shop.price(game) == "11.00"
                        await asyncio.sleep(0.001)
                await reads_stay_right(cached_shop, game, "11.00", times=100)
                be_itself(first)
                assert await cached_shop.until_kept(game) < SOON
                await reads_stay_right(cached_shop, game, "11.00")

    async def test_that_goes_away_while_a_writer_does_not_reach_it_forgets_nothing(
        self, database_url, own_redis
    ):
        """Its snapshot is older than a write that never reached it: both hold the old value."""
        async with (
            open_cached_shop(database_url, own_redis.url) as (cached_shop, game),
            cached_shop_without_redis(database_url) as other,
        ):
            own_redis.execute("SAVE")
            await asyncio.to_thread(own_redis.kill)
            await other.set_price(game, "11.00")
            await asyncio.to_thread(own_redis.start)

            await reads_stay_right(cached_shop, game, "11.00")
            assert await cached_shop.until_kept(game) < SOON
            await reads_stay_right(cached_shop, game, "11.00")


class TestTwoShops:
    async def test_on_one_redis_read_nothing_of_each_other(
        self, database_url, module_database_url, own_valkey
    ):
        async with (
            open_cached_shop(database_url, own_valkey.url) as (one, _),
            open_cached_shop(module_database_url, own_valkey.url) as (two, _),
        ):
            async with one.db.read() as first, two.db.read() as second:
                shops = [
                    await reader.fetchval("SELECT keyshop.cache_shop()")
                    for reader in (first, second)
                ]
            if shops[0] == shops[1]:
                pytest.skip("copies of one database are one shop to the cache")
            await one.add(id="same", price=1, title="One")
            await two.add(id="same", price=2, title="Two")
            for _ in range(20):
                assert await one.price("same") == "1.00"
                assert await two.price("same") == "2.00"


class TestEpoch:
    async def test_of_yesterday_is_not_read_whatever_a_backup_brings_back(
        self, database_url, own_valkey
    ):
        """An old value under its old token: neither is trusted."""
        async with open_cached_shop(database_url, own_valkey.url) as (cached_shop, game):
            old = own_valkey.execute("GET", game_key(game).name)
            flush(own_valkey)
            await cached_shop.set_price(game, "11.00")
            await cached_shop.until_kept(game)
            own_valkey.execute("SET", game_key(game).name, old)

            assert await cached_shop.price(game) == "11.00"


class TestPostgreSQL:
    async def test_that_breaks_every_connection_leaves_nothing_old(self, database_url, redis_url):
        async with open_cached_shop(database_url, redis_url) as (cached_shop, game):
            await cached_shop.db.close()
            await cached_shop.db.open()
            async with cached_shop.db.read() as reader:
                await reader.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

            async def is_written() -> bool:
                await cached_shop.set_price(game, "11.00")
                return True

            await until(is_written)
            await reads_stay_right(cached_shop, game, "11.00")
            assert await cached_shop.until_kept(game) < SOON
