"""
Who may still work on a job, and who may finish it.

PgQueuer gives a job whose worker showed no sign of life to another one, and lets both finish it.
Here every statement that prolongs or ends a job names the worker that holds it, and a handler that
lost its job is stopped.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from asyncpg import Connection, Record
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    DBSettings,
    Durability,
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.types import (
    JOB_STATUS,
    Channel,
    JobId,
    QueueEntrypoint,
    QueueManagerId,
)
from pgqueuer.ports.repository import EntrypointExecutionParameter

from keyshop.kit.database.errors import CONNECTION_UNUSABLE

# Every name is given: PgQueuer would read those that are not from the environment, where CHANNEL or
# FUNCTION may stand for anything.
NAMES: Final = DBSettings(
    prefix="",
    db_schema="keyshop",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)

_PROLONG: Final = """
    UPDATE keyshop.pgqueuer SET heartbeat = now()
    WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2 AND status = 'picked'
    RETURNING id
"""

# PgQueuer calls a job canceled when its task is torn down in the middle: nothing is wrong with it.
_END: Final = """
    WITH outcome AS (
        SELECT * FROM unnest($1::bigint[], $2::keyshop.pgqueuer_status[], $3::jsonb[])
            AS outcome (id, status, traceback)
    ), gone AS (
        DELETE FROM keyshop.pgqueuer AS job USING outcome
        WHERE job.id = outcome.id AND outcome.status NOT IN ('failed', 'canceled')
            AND job.queue_manager_id = $4 AND job.status = 'picked'
        RETURNING job.id, job.entrypoint, job.priority
    ), kept AS (
        UPDATE keyshop.pgqueuer AS job
        SET status = CASE outcome.status WHEN 'failed' THEN 'failed' ELSE 'queued' END
                ::keyshop.pgqueuer_status,
            updated = now(), queue_manager_id = NULL
        FROM outcome
        WHERE job.id = outcome.id AND outcome.status IN ('failed', 'canceled')
            AND job.queue_manager_id = $4 AND job.status = 'picked'
        RETURNING job.id, job.entrypoint, job.priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    SELECT ended.id, outcome.status, ended.entrypoint, ended.priority, outcome.traceback
    FROM (SELECT * FROM gone UNION ALL SELECT * FROM kept) AS ended
    JOIN outcome ON outcome.id = ended.id
"""

_PUT_BACK: Final = """
    WITH waiting AS (
        UPDATE keyshop.pgqueuer
        SET status = 'queued', execute_after = now() + $2::interval, updated = now(),
            attempts = attempts + $3, queue_manager_id = NULL
        WHERE id = $1 AND queue_manager_id = $4 AND status = 'picked'
        RETURNING id, entrypoint, priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    SELECT id, 'queued', entrypoint, priority, $5::jsonb FROM waiting
"""

_TAKE_BACK: Final = """
    WITH waiting AS (
        UPDATE keyshop.pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL
        WHERE queue_manager_id = $1 AND status = 'picked'
        RETURNING id, entrypoint, priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM waiting
"""

_COUNT_HELD: Final = """
    SELECT count(*) AS held FROM keyshop.pgqueuer
    WHERE queue_manager_id = $1 AND status = 'picked' AND entrypoint = ANY($2::text[])
"""

# Whoever puts a job back logs it as queued; a worker that dies logs nothing.
_COUNT_LOST: Final = """
    SELECT count(*) - 1 AS lost FROM keyshop.pgqueuer_log
    WHERE job_id = $1 AND status = 'picked' AND created >= (
        SELECT max(created) FROM keyshop.pgqueuer_log WHERE job_id = $1 AND status = 'queued'
    )
"""


class Stop(StrEnum):
    """Why a handler was stopped before its end."""

    LOST = "lost"  # its job may belong to another worker by now
    INTERRUPTED = "interrupted"  # this worker is shutting down


class RunningJobs:
    """The handlers at work, and why some were stopped."""

    def __init__(self) -> None:
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._stopped: dict[JobId, Stop] = {}

    @contextmanager
    def holding(self, job_id: JobId, task: asyncio.Task[None]) -> Iterator[None]:
        """Remember the handler while it works on the job."""
        self._tasks[job_id] = task
        try:
            yield
        finally:
            del self._tasks[job_id]
            self._stopped.pop(job_id, None)

    def stop(self, why: Stop, job_ids: Iterable[JobId] | None = None) -> None:
        """Stop the handlers of these jobs, or all."""
        for job_id in list(self._tasks) if job_ids is None else job_ids:
            task = self._tasks.get(job_id)
            # A second cancellation would hit the handler while it cleans up after the first.
            if task is not None and job_id not in self._stopped:
                self._stopped[job_id] = why
                task.cancel()

    def why_stopped(self, job_id: JobId) -> Stop | None:
        """Return why the job's handler was stopped, if it was."""
        return self._stopped.get(job_id)


class WatchedDriver(AsyncpgDriver):
    """A connection that tells when it is of no more use."""

    def __init__(self, connection: "Connection[Record]", on_broken: Callable[[], None]) -> None:
        super().__init__(connection)
        self._on_broken = on_broken

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return all rows of the statement."""
        try:
            return await super().fetch(query, *args)
        except CONNECTION_UNUSABLE:
            self._on_broken()
            raise

    async def execute(self, query: str, *args: object) -> str:
        """Run the statement and return PostgreSQL's tag for it."""
        try:
            return await super().execute(query, *args)
        except CONNECTION_UNUSABLE:
            self._on_broken()
            raise


class FencedQueue(Queries):
    """
    PgQueuer's queue, in which only the worker that holds a job prolongs or ends it.

    Of its places, jobs of the names in `slow` get no more than `slow_share` together.
    """

    def __init__(
        self,
        driver: WatchedDriver,
        worker: UUID,
        running: RunningJobs,
        *,
        slow: frozenset[QueueEntrypoint] = frozenset(),
        slow_share: int = 0,
    ) -> None:
        super().__init__(
            driver,
            qbe=QueryBuilderEnvironment(NAMES),
            qbq=QueryQueueBuilder(NAMES),
            qbs=QuerySchedulerBuilder(NAMES),
        )
        self._worker = worker
        self._running = running
        self._slow = slow
        self._slow_share = slow_share

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """Take jobs; slow ones only while their share of the places is not used up."""
        held = await self._count("held", _COUNT_HELD, self._worker, list(self._slow))
        if held < self._slow_share:
            batch_size = min(batch_size, self._slow_share - held)
        else:
            entrypoints = {name: entrypoints[name] for name in entrypoints.keys() - self._slow}
            if global_concurrency_limit is not None:
                global_concurrency_limit -= held
        if not entrypoints:
            return []
        return await super().dequeue(
            batch_size, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout
        )

    async def take_back(self) -> None:
        """Put back what this worker held when its connection broke: nobody works on it now."""
        await self.driver.execute(_TAKE_BACK, self._worker)

    async def count_lost_workers(self, job_id: JobId) -> int:
        """Return how many workers took the job and were never heard of again."""
        return await self._count("lost", _COUNT_LOST, job_id)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """Prolong the jobs; the handlers of those that are no longer ours are stopped."""
        held = await self.driver.fetch(_PROLONG, job_ids, self._worker)
        self._running.stop(Stop.LOST, set(job_ids) - {record["id"] for record in held})

    async def log_jobs(
        self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]
    ) -> None:
        """Remove jobs that are done, keep dead letters; leave those that are no longer ours."""
        await self.driver.execute(
            _END,
            [job.id for job, _, _ in job_status],
            [status for _, status, _ in job_status],
            [trace.model_dump_json() if trace else None for _, _, trace in job_status],
            self._worker,
        )

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """Put the job back into the queue, unless it is no longer ours."""
        failed = traceback_record is not None and traceback_record.exception_type == "TryAgain"
        await self.driver.execute(
            _PUT_BACK,
            job.id,
            delay,
            # A job whose worker was stopped has not failed.
            int(failed),
            self._worker,
            traceback_record.model_dump_json() if failed and traceback_record else None,
        )

    async def _count(self, name: str, query: str, *args: object) -> int:
        (counted,) = await self.driver.fetch(query, *args)
        return int(str(counted[name]))
