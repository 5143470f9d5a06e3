"""Jobs, from the moment they are enqueued to their end."""

import asyncio
import signal
import time
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from keyshop.entrypoints.worker.limits import WorkerLimits
from keyshop.entrypoints.worker.run import QueueMissing, run_worker
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import Job, JobRow, JobState, enqueue, list_jobs, retry_dead_letter
from tests.factories.jobs import (
    SHORT_LEASE,
    Block,
    Break,
    Linger,
    Note,
    ProbeShop,
    Stumble,
    read_job_log,
)
from tests.keyshop.entrypoints.worker.conftest import StartWorker, Working, until

pytestmark = pytest.mark.timed


async def put(db: Database, job: Job) -> None:
    async with db.transaction() as tx:
        await enqueue(tx, job)


async def queue(db: Database) -> list[JobRow]:
    async with db.read() as reader:
        return await list_jobs(reader)


async def is_empty(db: Database) -> bool:
    return await queue(db) == []


async def has(db: Database, *notes: str) -> bool:
    return await read_job_log(db) == list(notes)


async def is_in(db: Database, state: JobState) -> bool:
    return [job.state for job in await queue(db)] == [state]


async def has_failed(db: Database) -> bool:
    return [job.last_error for job in await queue(db)] != [None]


async def endings(db: Database) -> int:
    async with db.read() as reader:
        sql = "SELECT count(*) FROM keyshop.pgqueuer_log WHERE status = 'successful'"
        ended: int = await reader.fetchval(sql)
        return ended


class TestWorker:
    async def test_runs_a_job_as_soon_as_its_cause_has_committed(
        self, shop: ProbeShop, working: Working
    ):
        async with working():
            await put(shop.db, Note(text="first"))
            await until(lambda: has(shop.db, "first"))
            async with shop.db.transaction() as tx:
                await enqueue(tx, Note(text="second"))
                assert await read_job_log(shop.db) == ["first"]
            await until(lambda: has(shop.db, "first", "second"), seconds=1)

        assert await is_empty(shop.db)

    async def test_logs_the_outcome_of_a_job_in_one_line(self, shop: ProbeShop, working: Working):
        await put(shop.db, Note(text="first"))

        with capture_logs() as logs:
            async with working():
                await until(lambda: is_empty(shop.db))

        (line,) = [entry for entry in logs if entry["event"] == "job"]
        assert line["operation"] == "test.note"
        assert line["outcome"] == "done"
        assert line["attempt"] == 1
        assert line["duration_ms"] >= 0
        assert line["job_id"] > 0

    async def test_retries_when_the_supplier_was_unavailable(
        self, shop: ProbeShop, working: Working
    ):
        await put(shop.db, Stumble(text="tried"))

        async with working():
            await until(lambda: has_failed(shop.db))
            (waiting,) = await queue(shop.db)
            await until(lambda: is_empty(shop.db))

        assert waiting.attempts == 1
        assert waiting.last_error == "SupplierUnavailable: G2A does not answer."
        assert await read_job_log(shop.db) == ["tried", "tried"]

    async def test_keeps_a_dead_job_until_a_person_retries_it(
        self, shop: ProbeShop, working: Working
    ):
        await put(shop.db, Break())

        async with working():
            await until(lambda: is_in(shop.db, JobState.DEAD))
            (dead,) = await queue(shop.db)
            assert dead.last_error == "ValueError: The world is broken."
            assert dead.attempts == 1

            async with shop.db.transaction() as tx:
                await tx.execute("INSERT INTO job_log (note) VALUES ('repaired')")
                await retry_dead_letter(tx, dead.id)
            await until(lambda: is_empty(shop.db))

        assert await read_job_log(shop.db) == ["repaired", "test.break"]

    async def test_keeps_an_unreadable_job_as_dead(self, shop: ProbeShop, working: Working):
        await put(shop.db, Note(text="first"))
        async with shop.db.transaction() as tx:
            await tx.execute("UPDATE keyshop.pgqueuer SET payload = 'no JSON'")

        async with working():
            await until(lambda: is_in(shop.db, JobState.DEAD))

    async def test_keeps_a_job_that_kills_workers_as_dead(self, shop: ProbeShop, working: Working):
        await put(shop.db, Note(text="deadly"))
        async with shop.db.transaction() as tx:
            await tx.execute(
                "INSERT INTO keyshop.pgqueuer_log (job_id, status, priority, entrypoint)"
                " SELECT id, 'picked', 0, entrypoint FROM keyshop.pgqueuer, generate_series(1, 5)"
            )

        async with working():
            await until(lambda: is_in(shop.db, JobState.DEAD))
            (dead,) = await queue(shop.db)
            assert dead.last_error is not None
            assert dead.last_error.startswith("WorkersLost: 5 workers died")

            async with shop.db.transaction() as tx:
                await retry_dead_letter(tx, dead.id)
            await until(lambda: has(shop.db, "deadly"))

    async def test_leaves_unknown_jobs_to_newer_workers(self, shop: ProbeShop, working: Working):
        await put(shop.db, Note(text="first"))
        async with shop.db.transaction() as tx:
            await tx.execute("UPDATE keyshop.pgqueuer SET entrypoint = 'test.of_tomorrow'")

        async with working():
            await put(shop.db, Note(text="second"))
            await until(lambda: has(shop.db, "second"))

        assert await is_in(shop.db, JobState.WAITING)

    async def test_continues_after_the_database_was_unavailable(
        self, shop: ProbeShop, working: Working
    ):
        async with working():
            await put(shop.db, Linger(seconds=2))
            await until(lambda: has(shop.db, "began"))
            async with shop.db.transaction() as tx:
                await tx.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await until(lambda: is_empty(shop.db))

        assert await read_job_log(shop.db) == ["began", "stopped", "began", "ended"]
        assert await endings(shop.db) == 1

    async def test_refuses_a_database_that_was_never_upgraded(self, shop: ProbeShop):
        async with shop.db.transaction() as tx:
            await tx.execute("DROP TABLE keyshop.pgqueuer, keyshop.schedule_ticks")

        with pytest.raises(QueueMissing, match="keyshop db upgrade"):
            await run_worker(shop, stop=asyncio.Event())


class TestGracefulStop:
    async def test_finishes_the_running_job_and_exits_with_0(
        self, shop: ProbeShop, start_worker: StartWorker
    ):
        worker = await start_worker()
        await put(shop.db, Linger(seconds=1))
        await until(lambda: has(shop.db, "began"))

        worker.send_signal(signal.SIGTERM)
        assert await worker.wait() == 0

        assert await read_job_log(shop.db) == ["began", "ended"]
        assert await is_empty(shop.db)

    async def test_takes_no_new_job(self, shop: ProbeShop, working: Working):
        async with working() as stop:
            await put(shop.db, Linger(seconds=1))
            await until(lambda: has(shop.db, "began"))
            stop.set()
            await put(shop.db, Note(text="late"))

        assert await read_job_log(shop.db) == ["began", "ended"]
        assert await is_in(shop.db, JobState.WAITING)

    async def test_requeues_a_job_that_does_not_finish_in_time(
        self, shop: ProbeShop, working: Working
    ):
        async with working(WorkerLimits(grace_period=timedelta(seconds=0.2))):
            await put(shop.db, Linger(seconds=60))
            await until(lambda: has(shop.db, "began"))

        assert await read_job_log(shop.db) == ["began", "stopped"]
        (waiting,) = await queue(shop.db)
        assert waiting.state == JobState.WAITING
        assert waiting.attempts == 0


class TestLease:
    async def test_passes_to_another_worker_within_ten_seconds_of_a_kill(
        self, shop: ProbeShop, start_worker: StartWorker, working: Working
    ):
        doomed = await start_worker()
        await put(shop.db, Linger(seconds=3))
        await until(lambda: has(shop.db, "began"))

        async with working():
            doomed.send_signal(signal.SIGKILL)
            killed_at = time.monotonic()
            await until(lambda: has(shop.db, "began", "began"), seconds=10)
            assert time.monotonic() - killed_at < 10
            await until(lambda: is_empty(shop.db))

        assert await read_job_log(shop.db) == ["began", "began", "ended"]

    async def test_is_renewed_while_a_long_handler_runs(self, shop: ProbeShop, working: Working):
        async with working(SHORT_LEASE), working(SHORT_LEASE):
            # Longer than the lease and the poll interval together.
            await put(shop.db, Linger(seconds=3.3))
            await until(lambda: is_empty(shop.db))

        assert await read_job_log(shop.db) == ["began", "ended"]

    @pytest.mark.slow
    async def test_is_lost_by_a_handler_that_blocks_its_process_and_cannot_end_the_job(
        self, shop: ProbeShop, start_worker: StartWorker, working: Working
    ):
        blocked = await start_worker("--short-lease")
        await put(shop.db, Block(block_seconds=4, linger_seconds=3.5))
        await until(lambda: has(shop.db, "began"))

        async with working(SHORT_LEASE):
            await until(lambda: has(shop.db, "began", "began"))
            # By the time the first handler returns, the second one is in the middle.
            blocked.send_signal(signal.SIGTERM)
            assert await blocked.wait() == 0
            assert await is_in(shop.db, JobState.RUNNING)
            await until(lambda: is_empty(shop.db))

        assert await read_job_log(shop.db) == ["began", "began", "ended"]
        assert await endings(shop.db) == 1
