"""
Each behaviour of PgQueuer that the adapter overrides, on real PostgreSQL.

Read and run these first after the pin of PgQueuer was raised.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from pgqueuer.domain.models import Job as QueuedJob
from pgqueuer.domain.models import TracebackRecord
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.repository import EntrypointExecutionParameter

import keyshop
from keyshop.entrypoints.worker.pgqueuer_adapter import (
    NAMES,
    FencedQueue,
    Interrupted,
    TryAgain,
    WatchedDriver,
)
from keyshop.entrypoints.worker.running_jobs import CancelReason, RunningJobs
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import Job, JobRow, JobState, enqueue, list_jobs
from tests.factories.jobs import Linger, Note

MAX_SLOW = 2
_NAMES = (QueueEntrypoint(Note.name), QueueEntrypoint(Linger.name))


class Worker:
    """One worker's view of the queue, over a connection of its own."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.id: UUID = uuid4()
        self.connection = connection
        self.running = RunningJobs()
        self.is_broken = asyncio.Event()
        self.queue = FencedQueue(
            WatchedDriver(connection, self.is_broken.set),
            self.id,
            self.running,
            slow={Linger.name},
            max_slow=MAX_SLOW,
        )

    async def claim(
        self, *, batch_size: int = 4, max_parallel: int = 8, lease: timedelta = timedelta(hours=1)
    ) -> list[QueuedJob]:
        return await self.queue.dequeue(
            batch_size,
            {name: EntrypointExecutionParameter(concurrency_limit=0) for name in _NAMES},
            QueueManagerId(self.id),
            max_parallel,
            lease,
        )

    async def claim_one(self) -> QueuedJob:
        (job,) = await self.claim()
        return job


@pytest_asyncio.fixture
async def worker(db: Database, database_url: str) -> AsyncIterator[Worker]:
    connection = await asyncpg.connect(database_url)
    yield Worker(connection)
    connection.terminate()


@pytest_asyncio.fixture
async def successor(db: Database, database_url: str) -> AsyncIterator[Worker]:
    """The worker that gets the jobs of one that was silent for too long."""
    connection = await asyncpg.connect(database_url)
    yield Worker(connection)
    connection.terminate()


async def put(db: Database, *jobs: Job) -> None:
    async with db.transaction() as tx:
        for job in jobs:
            await enqueue(tx, job)


async def queued(db: Database) -> list[JobRow]:
    async with db.read() as reader:
        return await list_jobs(reader)


async def take_over(db: Database, job: QueuedJob, successor: Worker) -> None:
    """Let another worker claim the job, as after the first one's lease has ended."""
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE keyshop.pgqueuer SET heartbeat = now() - interval '1 hour' WHERE id = $1",
            job.id,
        )
    (claimed,) = await successor.claim(lease=timedelta(minutes=1))
    assert claimed.id == job.id


async def heartbeat_age(db: Database, job: QueuedJob) -> float:
    async with db.read() as reader:
        age: float = await reader.fetchval(
            "SELECT extract(epoch FROM now() - heartbeat)::float8 FROM keyshop.pgqueuer"
            " WHERE id = $1",
            job.id,
        )
        return age


def trace_of(job: QueuedJob, error: Exception) -> TracebackRecord:
    return TracebackRecord.from_exception(error, job.id)


class TestTables:
    async def test_are_those_that_pgqueuer_expects(self, worker: Worker):
        plan = await worker.queue.plan_upgrade()

        assert plan.statements == ()
        assert plan.notes == ()


class TestImports:
    def test_of_pgqueuer_stand_in_the_adapter_alone(self):
        source = Path(keyshop.__file__).parent
        importing = {
            path.relative_to(source).as_posix()
            for path in source.rglob("*.py")
            if re.search(r"^\s*(?:from|import) pgqueuer\b", path.read_text(), re.MULTILINE)
        }

        assert importing == {"entrypoints/worker/pgqueuer_adapter.py"}


class TestHeartbeat:
    async def test_renews_the_lease_of_its_own_job(self, db: Database, worker: Worker):
        await put(db, Note(text="long"))
        job = await worker.claim_one()
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.pgqueuer SET heartbeat = now() - interval '1 hour'")

        await worker.queue.update_heartbeat([job.id])

        assert await heartbeat_age(db, job) < 60

    async def test_cancels_the_handler_of_a_job_that_another_worker_has(
        self, db: Database, worker: Worker, successor: Worker
    ):
        await put(db, Note(text="lost"))
        job = await worker.claim_one()
        handler = asyncio.create_task(asyncio.sleep(60))
        await take_over(db, job, successor)
        async with db.transaction() as tx:
            await tx.execute("UPDATE keyshop.pgqueuer SET heartbeat = now() - interval '1 hour'")

        with worker.running.tracking(job.id, handler):
            await worker.queue.update_heartbeat([job.id])
            await asyncio.wait({handler}, timeout=5)
            reason = worker.running.find_cancel_reason(job.id)

        assert handler.cancelled()
        assert reason is CancelReason.LEASE_LOST
        assert await heartbeat_age(db, job) > 60


class TestFinish:
    async def test_removes_a_job_that_is_done(self, db: Database, worker: Worker):
        await put(db, Note(text="done"))
        job = await worker.claim_one()

        await worker.queue.log_jobs([(job, "successful", None)])

        assert await queued(db) == []

    async def test_keeps_a_job_that_failed_as_a_dead_letter(self, db: Database, worker: Worker):
        await put(db, Note(text="failed"))
        job = await worker.claim_one()

        await worker.queue.log_jobs([(job, "failed", trace_of(job, ValueError("Broken.")))])

        (dead,) = await queued(db)
        assert dead.state == JobState.DEAD
        assert dead.last_error == "ValueError: Broken."

    async def test_puts_a_job_back_whose_task_was_cancelled(self, db: Database, worker: Worker):
        await put(db, Note(text="cancelled"))
        job = await worker.claim_one()

        await worker.queue.log_jobs([(job, "canceled", None)])

        (waiting,) = await queued(db)
        assert (waiting.state, waiting.attempts) == (JobState.WAITING, 0)

    @pytest.mark.parametrize("status", ["successful", "failed", "canceled"])
    async def test_leaves_a_job_alone_that_another_worker_has(
        self, db: Database, worker: Worker, successor: Worker, status
    ):
        await put(db, Note(text="lost"))
        job = await worker.claim_one()
        await take_over(db, job, successor)

        await worker.queue.log_jobs([(job, status, None)])

        (running,) = await queued(db)
        assert running.state == JobState.RUNNING


class TestRetry:
    async def test_counts_a_failed_attempt_and_waits(self, db: Database, worker: Worker):
        await put(db, Note(text="failed"))
        job = await worker.claim_one()
        delay = timedelta(minutes=5)
        error = TryAgain(delay, "SupplierUnavailable: G2A does not answer.")

        await worker.queue.retry_job(job, delay, trace_of(job, error))

        (waiting,) = await queued(db)
        assert (waiting.state, waiting.attempts) == (JobState.WAITING, 1)
        assert waiting.last_error == "SupplierUnavailable: G2A does not answer."
        assert waiting.next_run_at is not None
        assert waiting.next_run_at - waiting.created_at >= delay
        assert await worker.claim() == []

    async def test_does_not_count_an_interrupted_attempt(self, db: Database, worker: Worker):
        await put(db, Note(text="interrupted"))
        job = await worker.claim_one()
        error = Interrupted(timedelta(0), "The worker was stopped.")

        await worker.queue.retry_job(job, timedelta(0), trace_of(job, error))

        (waiting,) = await queued(db)
        assert (waiting.state, waiting.attempts) == (JobState.WAITING, 0)
        assert waiting.last_error is None
        assert (await worker.claim_one()).id == job.id

    async def test_leaves_a_job_alone_that_another_worker_has(
        self, db: Database, worker: Worker, successor: Worker
    ):
        await put(db, Note(text="lost"))
        job = await worker.claim_one()
        await take_over(db, job, successor)
        error = TryAgain(timedelta(0), "ValueError: Broken.")

        await worker.queue.retry_job(job, timedelta(0), trace_of(job, error))

        (running,) = await queued(db)
        assert (running.state, running.attempts) == (JobState.RUNNING, 1)
        assert running.last_error is None


class TestSlowShare:
    async def test_leaves_places_for_other_jobs(self, db: Database, worker: Worker):
        await put(db, *[Linger(seconds=60)] * 5, Note(text="quick"))

        claimed = [job.entrypoint for _ in range(3) for job in await worker.claim()]

        assert claimed == [Linger.name] * MAX_SLOW + [Note.name]

    async def test_counts_slow_jobs_among_all_that_run(self, db: Database, worker: Worker):
        await put(db, *[Linger(seconds=60)] * 5)
        await worker.claim()
        await put(db, *[Note(text="quick")] * 5)

        claimed = [job for _ in range(3) for job in await worker.claim(max_parallel=4)]

        assert len(claimed) == 4 - MAX_SLOW

    async def test_is_free_again_when_a_slow_job_ends(self, db: Database, worker: Worker):
        await put(db, *[Linger(seconds=60)] * 3)
        first, _ = await worker.claim()
        assert await worker.claim() == []

        await worker.queue.log_jobs([(first, "successful", None)])

        assert [job.entrypoint for job in await worker.claim()] == [Linger.name]


class TestRelease:
    async def test_puts_back_what_this_worker_held_and_nothing_else(
        self, db: Database, worker: Worker, successor: Worker
    ):
        await put(db, Note(text="mine"))
        mine = await worker.claim_one()
        await put(db, Note(text="another's"))
        others = await successor.claim_one()

        await worker.queue.release_leases()

        states = {int(job.id): job.state for job in await queued(db)}
        assert states == {int(mine.id): JobState.WAITING, int(others.id): JobState.RUNNING}


class TestLostWorkers:
    async def test_are_counted_since_the_job_was_last_queued(
        self, db: Database, worker: Worker, successor: Worker
    ):
        await put(db, Note(text="deadly"))
        job = await worker.claim_one()
        assert await worker.queue.count_lost_workers(job.id) == 0

        await take_over(db, job, successor)
        assert await successor.queue.count_lost_workers(job.id) == 1

        await successor.queue.release_leases()
        await worker.claim_one()
        assert await worker.queue.count_lost_workers(job.id) == 0


class TestConnection:
    async def test_says_when_it_is_broken(self, worker: Worker):
        worker.connection.terminate()

        with pytest.raises(asyncpg.InterfaceError):
            await worker.queue.update_heartbeat([JobId(1)])

        assert worker.is_broken.is_set()

    async def test_listens_on_the_channel_of_the_shops_tables(self, db: Database, worker: Worker):
        heard = asyncio.Event()
        await worker.queue.driver.add_listener(NAMES.channel, lambda _: heard.set())

        await put(db, Note(text="news"))

        await asyncio.wait_for(heard.wait(), 10)
