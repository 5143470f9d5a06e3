"""The text of a game key in Redis fails the run."""

from collections import Counter

import pytest_asyncio
from redis.asyncio import Redis, from_url

from tests.consistency.findings import Findings
from tests.consistency.journal import Journal
from tests.consistency.options import Options
from tests.consistency.orders import KEY_MARK
from tests.consistency.recovery import RecoveryWatch
from tests.consistency.redis_values import KeyTextSearch
from tests.consistency.report import Result, write_report

_NUMBER = 15  # of a database that other files' tests have left


@pytest_asyncio.fixture
async def redis(valkey_url):
    async with from_url(f"{valkey_url.removesuffix('/0')}/{_NUMBER}") as client:
        await client.flushdb()
        await client.mset({f"game:{number}": "{}" for number in range(1000)})
        yield client


async def search(redis: "Redis") -> KeyTextSearch:
    found = KeyTextSearch()
    await found.search(redis)
    return found


class TestSearch:
    async def test_finds_a_text_in_any_value(self, redis):
        await redis.set("user:7:orders", f'{{"data":[{{"key":"{KEY_MARK}-1"}}]}}')

        searched = await search(redis)

        assert (searched.values, searched.orders) == (1001, 1)
        assert searched.found == {"user:7:orders"}

    async def test_finds_nothing_in_orders_without_texts(self, redis):
        await redis.set("order:7", '{"data":{"key":""}}')
        await redis.sadd("others", f"{KEY_MARK}")  # the cache has strings alone

        searched = await search(redis)

        assert (searched.values, searched.orders) == (1002, 1)
        assert not searched.found

    async def test_fails_the_run_when_it_finds_one(self, redis):
        await redis.set("order:7", KEY_MARK)
        journal, options = Journal(), Options(seconds=1, seed=1)

        await journal.key_texts.search(redis)

        result = Result(
            "check", options, 1.0, Findings(), journal, RecoveryWatch([]), {"game": Counter()}
        )
        assert not result.is_good
        assert write_report(result).startswith("# CAUGHT: Redis holds texts of game keys")
        assert "order:7" in write_report(result)
