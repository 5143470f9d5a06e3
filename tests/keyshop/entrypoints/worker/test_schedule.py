"""The schedule: when jobs are due; each due time is enqueued once."""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from keyshop.entrypoints.worker.schedule import (
    SCHEDULES,
    Schedule,
    latest_due,
    list_schedules,
    next_due,
)
from keyshop.entrypoints.worker.scheduler import enqueue_if_due
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import JobRow, list_jobs
from tests.factories.jobs import ProbeShop, Ticked, read_job_log
from tests.keyshop.entrypoints.worker.conftest import StartWorker, until

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOURLY = Schedule("test", lambda due_at: Ticked(due_at=due_at), every=timedelta(hours=1))
_BY_NAME = {schedule.name: schedule for schedule in SCHEDULES}
FULL_SYNC, STOCK_CHECK, CLEANUP = SCHEDULES[:3]
AUDIT, TOP_UP_EXPIRY, ORPHANS = (
    _BY_NAME[name] for name in ("audit", "wallet.expire", "orders.orphans")
)


async def tick(db: Database, at: datetime) -> bool:
    async with db.transaction() as tx:
        return await enqueue_if_due(tx, HOURLY, due_at=latest_due(HOURLY, at), now=at)


async def queue(db: Database) -> list[JobRow]:
    async with db.read() as reader:
        return await list_jobs(reader)


class TestSchedules:
    @pytest.mark.parametrize(
        ("now", "latest"),
        [("01:59", "14:00"), ("02:00", "02:00"), ("13:59", "02:00"), ("23:59", "14:00")],
    )
    def test_run_a_full_sync_at_2_and_at_14_hours(self, now: str, latest: str):
        moment = datetime.fromisoformat(f"2026-11-22T{now}:00+00:00")

        assert f"{latest_due(FULL_SYNC, moment):%H:%M}" == latest

    def test_check_the_stock_every_quarter_of_an_hour(self):
        assert latest_due(STOCK_CHECK, NOON + timedelta(minutes=44)) == NOON + timedelta(minutes=30)
        assert next_due(STOCK_CHECK, NOON) == NOON + timedelta(minutes=15)

    def test_delete_expired_rows_every_hour(self):
        assert latest_due(CLEANUP, NOON) == NOON - timedelta(minutes=20)
        assert next_due(CLEANUP, NOON) == NOON + timedelta(minutes=40)

    def test_audit_the_shop_every_hour(self):
        assert latest_due(AUDIT, NOON) == NOON - timedelta(minutes=40)
        assert next_due(AUDIT, NOON) == NOON + timedelta(minutes=20)

    def test_let_unpaid_top_ups_expire_every_five_minutes(self):
        assert next_due(TOP_UP_EXPIRY, NOON) == NOON + timedelta(minutes=5)

    def test_are_without_the_supplier_where_its_products_must_not_be_written(self):
        without = list_schedules(synchronises=False)

        assert list_schedules(synchronises=True) == SCHEDULES
        assert set(SCHEDULES) - set(without) == {FULL_SYNC, STOCK_CHECK}

    def test_keep_the_names_that_are_stored(self):
        assert {schedule.name: schedule.job(NOON).name for schedule in SCHEDULES} == {
            "sync.full": "sync.full_due",
            "sync.stock": "sync.stock_due",
            "tidy": "tidy",
            "audit": "audit",
            "wallet.expire": "wallet.expire_due",
            "orders.orphans": "orders.orphans_due",
        }

    def test_refund_what_other_programs_deleted_every_minute(self):
        assert next_due(ORPHANS, NOON) == NOON + timedelta(minutes=1)


class TestEnqueueIfDue:
    async def test_starts_with_the_next_due_time_in_a_new_shop(self, db: Database):
        assert not await tick(db, NOON)
        assert await queue(db) == []

        assert await tick(db, NOON + timedelta(hours=1))
        assert [job.name for job in await queue(db)] == ["test.ticked"]

    async def test_enqueues_each_due_time_once(self, db: Database):
        await tick(db, NOON)

        answers = [await tick(db, NOON + timedelta(minutes=minutes)) for minutes in (60, 61, 119)]

        assert answers == [True, False, False]
        assert len(await queue(db)) == 1

    async def test_enqueues_each_due_time_once_with_several_workers(self, db: Database):
        await tick(db, NOON)

        later = NOON + timedelta(hours=1)
        answers = await asyncio.gather(*(tick(db, later) for _ in range(8)))

        assert sorted(answers) == [False] * 7 + [True]
        assert len(await queue(db)) == 1

    async def test_enqueues_one_missed_run_after_a_long_pause(self, db: Database):
        await tick(db, NOON)

        await tick(db, NOON + timedelta(days=3))

        assert len(await queue(db)) == 1

    async def test_ignores_a_clock_that_is_behind(self, db: Database):
        await tick(db, NOON)
        await tick(db, NOON + timedelta(hours=3))

        assert not await tick(db, NOON + timedelta(hours=2))
        assert len(await queue(db)) == 1

    async def test_leaves_a_due_time_to_other_workers_when_its_worker_dies_before_the_commit(
        self, db: Database
    ):
        await tick(db, NOON)
        later = NOON + timedelta(hours=1)
        with suppress(ConnectionError):
            async with db.transaction() as tx:
                await enqueue_if_due(tx, HOURLY, due_at=later, now=later)
                raise ConnectionError("The process was killed.")

        assert await tick(db, later)


class TestTwoWorkers:
    async def test_never_run_one_tick_twice_and_miss_none_when_one_is_killed(
        self, shop: ProbeShop, start_worker: StartWorker
    ):
        doomed = await start_worker("--tick")
        await start_worker("--tick")

        async def has(ticks: int) -> bool:
            return len(await read_job_log(shop.db)) >= ticks

        await until(lambda: has(2))
        doomed.send_signal(signal.SIGKILL)
        await until(lambda: has(5))

        job_log = await read_job_log(shop.db)
        moments = sorted(datetime.fromisoformat(note.removeprefix("due ")) for note in job_log)
        assert [later - earlier for earlier, later in pairwise(moments)] == [
            timedelta(seconds=1)
        ] * (len(moments) - 1)
