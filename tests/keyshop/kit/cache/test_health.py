"""Redis is reported as usable only while the cache uses it."""

import pytest

from keyshop.kit.cache.open import FindFault, open_cache, run_relay
from keyshop.kit.cache.status import read_status
from tests.factories.cached_shop import until
from tests.keyshop.kit.cache.network import network_to
from tests.keyshop.kit.cache.redis_process import RedisProcess

pytestmark = pytest.mark.timed


async def until_fault(find: FindFault, words: str | None) -> None:
    async def has_it() -> bool:
        fault = await find()
        return fault is None if words is None else words in (fault or "")

    await until(has_it)


class TestFaultOfRedis:
    async def test_is_found_while_the_cache_refuses_a_server_that_answers(
        self, database_url: str, own_valkey: RedisProcess
    ):
        async with (
            run_relay(database_url, own_valkey.url),
            open_cache(database_url, own_valkey.url) as opened,
        ):
            assert opened.find_fault is not None
            await until_fault(opened.find_fault, None)

            own_valkey.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            own_valkey.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await until_fault(opened.find_fault, "cannot be used")

            own_valkey.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")
            await until_fault(opened.find_fault, None)

            own_valkey.kill()
            await until_fault(opened.find_fault, "cannot be used")

    async def test_is_found_while_no_worker_makes_it_trusted(
        self, database_url: str, own_valkey: RedisProcess
    ):
        async with open_cache(database_url, own_valkey.url) as opened:
            assert opened.find_fault is not None
            await until_fault(opened.find_fault, "does not trust it")

    async def test_is_its_distance_while_no_reply_would_come_in_time(
        self, database_url: str, own_valkey: RedisProcess
    ):
        async with network_to(own_valkey.port) as network:
            network.delay = 0.05
            url = f"redis://127.0.0.1:{network.port}/0"
            async with (
                run_relay(database_url, own_valkey.url),
                open_cache(database_url, url) as opened,
            ):
                assert opened.find_fault is not None
                await until_fault(opened.find_fault, "ms away; reads do without it.")

                status = await read_status(database_url, url)
                assert not status.trusted
                assert "ms away; reads do without it." in str(status.reason)
                assert status.redis is None

                network.delay = 0
                await until_fault(opened.find_fault, None)
                assert (await read_status(database_url, url)).trusted

    async def test_is_not_looked_for_without_redis(self, database_url: str):
        async with open_cache(database_url, None) as opened:
            assert opened.find_fault is None
