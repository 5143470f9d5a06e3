"""Rate limits: bursts, waits, refunds, and the deletion of old rows."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import copy_context
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from keyshop.kit.limits import Limit, delete_expired_limits, refund, take
from tests.factories.games import NOON
from tests.servers import Postgres, copied_database

SECOND = timedelta(seconds=1)
FEW = Limit("sign_in", burst=3, per=10 * SECOND)
ALICE = "alice@example.com"


@pytest_asyncio.fixture(scope="module")
async def limits_db(postgres_server: Postgres, template_database: str) -> AsyncIterator[Database]:
    """A database that these tests share."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, guard=RedisCommitGuard(None))
        await database.open()
        yield database
        await database.close()


@pytest_asyncio.fixture
async def db(limits_db: Database) -> Database:
    """The same database, with empty tables."""
    async with limits_db.transaction() as tx:
        await tx.execute("TRUNCATE keyshop.rate_limits")
    return limits_db


async def wait_of(db: Database, who: str = ALICE, *, limit: Limit = FEW, now: datetime) -> float:
    """Count one attempt; return the seconds to wait if it was refused, otherwise 0."""
    try:
        await take(db, limit, who, now=now)
    except TooMany as error:
        return error.retry_after
    return 0


async def count_taken(db: Database, tries: int, *, limit: Limit = FEW, now: datetime) -> int:
    waits = [await wait_of(db, limit=limit, now=now) for _ in range(tries)]
    return waits.count(0)


async def forget(db: Database, before: datetime) -> int:
    async with asyncio.timeout(10), db.transaction() as tx:
        return await delete_expired_limits(tx, before)


class TestLimit:
    async def test_allows_its_burst_at_once_and_not_one_more(self, db):
        assert await count_taken(db, 10, now=NOON) == 3

    async def test_gives_the_same_wait_to_all_who_come_at_once(self, db):
        waits = await asyncio.gather(*(wait_of(db, now=NOON) for _ in range(12)))

        assert sorted(waits) == [0] * 3 + [10] * 9

    async def test_allows_one_more_each_time_its_span_has_passed(self, db):
        await count_taken(db, 3, now=NOON)

        for minute in range(1, 5):
            now = NOON + minute * FEW.per
            assert await wait_of(db, now=now - SECOND) == 1
            assert await count_taken(db, 5, now=now) == 1

    async def test_says_correctly_when_to_come_again(self, db):
        await count_taken(db, 3, now=NOON)

        wait = await wait_of(db, now=NOON + 3 * SECOND)

        assert wait == 7
        again = NOON + 3 * SECOND + timedelta(seconds=wait)
        assert await wait_of(db, now=again) == 0

    async def test_allows_exactly_the_whole_burst_after_a_long_pause(self, db):
        await count_taken(db, 3, now=NOON)

        assert await count_taken(db, 10, now=NOON + timedelta(days=1)) == 3

    async def test_does_not_punish_for_what_it_refused(self, db):
        await count_taken(db, 3, now=NOON)
        await count_taken(db, 50, now=NOON + SECOND)

        assert await wait_of(db, now=NOON + FEW.per) == 0

    async def test_counts_each_client_and_each_limit_separately(self, db):
        await count_taken(db, 3, now=NOON)

        assert await wait_of(db, "bob@example.com", now=NOON) == 0
        assert await wait_of(db, limit=Limit("reset", 3, FEW.per), now=NOON) == 0

    async def test_is_exact_when_fifty_take_at_once(self, db):
        waits = await asyncio.gather(*(wait_of(db, now=NOON) for _ in range(50)))

        assert waits.count(0) == 3
        assert min(wait for wait in waits if wait) >= 1
        assert max(waits) <= 10

    async def test_is_exact_for_those_who_are_unequally_early(self, db):
        limit = Limit("sign_in", burst=20, per=10 * SECOND)
        moments = [NOON + place % 7 * timedelta(milliseconds=1) for place in range(50)]

        waits = await asyncio.gather(*(wait_of(db, limit=limit, now=now) for now in moments))

        assert waits.count(0) == 20

    async def test_refunds_a_harmless_attempt(self, db):
        await count_taken(db, 3, now=NOON)

        await refund(db, FEW, ALICE)

        assert await count_taken(db, 5, now=NOON) == 1

    async def test_is_no_greater_after_a_refund_of_nothing(self, db):
        await refund(db, FEW, ALICE)
        await wait_of(db, now=NOON)
        for _ in range(5):
            await refund(db, FEW, ALICE)

        assert await count_taken(db, 10, now=NOON) == 3

    async def test_stores_no_names(self, db):
        await take(db, FEW, ALICE, now=NOON)
        await take(db, FEW, "\0\ud800" * 1000, now=NOON)

        async with db.read() as reader:
            keys = [row["key"] for row in await reader.fetch("SELECT key FROM keyshop.rate_limits")]
        assert len(keys) == 2
        for key in keys:
            assert key.startswith("sign_in:")
            assert len(key) == len("sign_in:") + 64
            assert "alice" not in key

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(pauses=st.lists(st.integers(0, 25), max_size=25), who=st.uuids().map(str))
    async def test_never_allows_more_than_its_burst_and_its_pace(self, db, pauses, who):
        now, allowed = NOON, []

        for pause in pauses:
            now += pause * SECOND
            if not await wait_of(db, who, now=now):
                allowed.append(now)

        for first, began in enumerate(allowed):
            for last, ended in enumerate(allowed[first:], first):
                assert last - first + 1 <= FEW.burst + (ended - began) // FEW.per


class TestDeletionOfExpiredLimits:
    async def test_deletes_only_rows_that_limit_nothing(self, db):
        await take(db, FEW, "long ago", now=NOON - timedelta(days=1))
        await count_taken(db, 3, now=NOON)

        assert await forget(db, NOON) == 1

        assert await count_taken(db, 3, now=NOON) == 0

    async def test_leaves_a_row_that_is_being_taken_from(self, db):
        await take(db, FEW, ALICE, now=NOON - timedelta(days=1))
        elsewhere = copy_context()
        async with db.transaction() as taking:
            await taking.execute("UPDATE keyshop.rate_limits SET arrives_at = $1", NOON + FEW.per)
            # It does not wait for them either.
            count = await asyncio.create_task(forget(db, NOON), context=elsewhere)

        assert count == 0
        assert await count_taken(db, 5, now=NOON) == 2

    async def test_of_ten_thousand_leaves_the_rest_for_the_next_time(self, db):
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO keyshop.rate_limits SELECT 'old:' || n, $1"
                " FROM generate_series(1, 10010) AS n",
                NOON - SECOND,
            )

        for expected in (10_000, 10, 0):
            assert await forget(db, NOON) == expected


class TestLimitWithoutAnAnswer:
    async def test_refuses_with_a_sentence(self, db):
        await count_taken(db, 3, now=NOON)

        with pytest.raises(TooMany, match="wait a moment"):
            await take(db, FEW, ALICE, now=NOON)
