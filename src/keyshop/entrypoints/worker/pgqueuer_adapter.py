"""
The queue of jobs as one worker uses it. Only this module knows PgQueuer.

PgQueuer gives the job of a silent worker to another one, and lets both finish it. `FencedQueue`
overrides what renews, retries and finishes a job, so that only the worker that holds the lease does
it, and cancels the handler of a job whose lease is lost.

Overridden are inner parts of PgQueuer that may change with any release. Read its changes before you
raise the pin, then run `test_pgqueuer_adapter.py`: it has a test for each of them.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
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
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job, TracebackRecord
from pgqueuer.domain.types import (
    JOB_STATUS,
    Channel,
    JobId,
    QueueEntrypoint,
    QueueManagerId,
)
from pgqueuer.ports.repository import EntrypointExecutionParameter

from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.job_executor import ClaimedJob, JobExecutor, describe
from keyshop.entrypoints.worker.limits import DEFAULT_LIMITS, WorkerLimits
from keyshop.entrypoints.worker.running_jobs import CancelReason, RunningJobs
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit import job_leases
from keyshop.kit.database.errors import CONNECTION_UNUSABLE, REFUSED_FOR_NOW
from keyshop.kit.job_leases import FinishedJob

# Every name is given: PgQueuer reads the others from the environment, where variables called
# CHANNEL or FUNCTION may belong to another program.
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


class JobQueue:
    """The queue on one connection: claims jobs and runs the handler of each."""

    def __init__(
        self,
        connection: "Connection[Record]",
        worker_id: UUID,
        handlers: Sequence[Handler],
        shop: WorkerShop,
        *,
        limits: WorkerLimits = DEFAULT_LIMITS,
    ) -> None:
        # PgQueuer would log each failure with its whole traceback, beside our own line for it.
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
        self._running = RunningJobs()
        connection.add_termination_listener(lambda _: self._running.cancel(CancelReason.LEASE_LOST))
        self._queue = FencedQueue(
            WatchedDriver(connection, self._give_up_connection),
            worker_id,
            self._running,
            slow={handler.name for handler in handlers if handler.is_slow},
            max_slow=limits.max_parallel_slow,
        )
        self._connection = connection
        self._limits = limits
        self._manager = QueueManager(self._queue, NAMES.channel)
        self._manager.queue_manager_id = QueueManagerId(worker_id)
        for handler in handlers:
            executor = JobExecutor(handler, shop, self._running, self._queue.count_lost_workers)
            self._manager.register_executor(handler.name, Entrypoint(executor))

    async def release_leases(self) -> None:
        """Put back the jobs that this worker held when its last connection broke."""
        await self._queue.release_leases()

    async def run(self) -> None:
        """
        Claim and run jobs; return after `stop_claiming`, once the running jobs have ended.

        Raises:
            OSError, asyncpg.InterfaceError, asyncpg.PostgresError: the connection broke.
        """
        await self._manager.run(
            dequeue_timeout=self._limits.poll_interval,
            batch_size=self._limits.batch_size,
            max_concurrent_tasks=self._limits.max_parallel,
            heartbeat_timeout=self._limits.lease,
        )

    def stop_claiming(self) -> None:
        """Claim no further job."""
        self._manager.shutdown.set()

    def interrupt_jobs(self) -> None:
        """Cancel the running handlers; their jobs go back into the queue."""
        self._running.cancel(CancelReason.INTERRUPTED)

    def _give_up_connection(self) -> None:
        self._running.cancel(CancelReason.LEASE_LOST)
        self._connection.terminate()


# A session that is read-only can neither renew leases nor finish jobs, and it stays so when the server
# takes changes again.
_BROKEN: Final = (*CONNECTION_UNUSABLE, *REFUSED_FOR_NOW)


class WatchedDriver(AsyncpgDriver):
    """PgQueuer's connection; calls `on_broken` when a statement finds it unusable."""

    def __init__(self, connection: "Connection[Record]", on_broken: Callable[[], None]) -> None:
        super().__init__(connection)
        self._on_broken = on_broken

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        try:
            return await super().fetch(query, *args)
        except _BROKEN:
            self._on_broken()
            raise

    async def execute(self, query: str, *args: object) -> str:
        try:
            return await super().execute(query, *args)
        except _BROKEN:
            self._on_broken()
            raise


class FencedQueue(Queries):
    """
    PgQueuer's queue, in which only the worker that holds a job's lease renews or ends the job.

    Jobs of the names in `slow` have no more than `max_slow` of the worker's places.
    """

    def __init__(
        self,
        driver: WatchedDriver,
        worker_id: UUID,
        running: RunningJobs,
        *,
        slow: set[str],
        max_slow: int,
    ) -> None:
        super().__init__(
            driver,
            qbe=QueryBuilderEnvironment(NAMES),
            qbq=QueryQueueBuilder(NAMES),
            qbs=QuerySchedulerBuilder(NAMES),
        )
        self._worker_id = worker_id
        self._running = running
        self._slow = {QueueEntrypoint(name) for name in slow}
        self._max_slow = max_slow

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        """Claim jobs; slow ones only while they have a place left."""
        slow = await job_leases.count_leased_jobs(self.driver, self._worker_id, self._slow)
        if slow < self._max_slow:
            batch_size = min(batch_size, self._max_slow - slow)
        else:
            entrypoints = {name: entrypoints[name] for name in entrypoints.keys() - self._slow}
            # PgQueuer counts only jobs of the names that it is given.
            if global_concurrency_limit is not None:
                global_concurrency_limit -= slow
        if not entrypoints:
            return []
        return await super().dequeue(
            batch_size, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout
        )

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """Renew the leases; cancel the handlers of jobs whose lease is lost."""
        held = await job_leases.renew_leases(self.driver, self._worker_id, job_ids)
        self._running.cancel(CancelReason.LEASE_LOST, set(job_ids) - held)

    async def log_jobs(
        self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]
    ) -> None:
        """Finish the jobs whose lease this worker holds."""
        finished = [
            FinishedJob(job.id, status, trace.model_dump_json() if trace else None)
            for job, status, trace in job_status
        ]
        await job_leases.finish_jobs(self.driver, self._worker_id, finished)

    async def retry_job(
        self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None
    ) -> None:
        """Requeue the job if this worker holds its lease; an interrupted attempt does not count."""
        failure = None
        if traceback_record and traceback_record.exception_type == TryAgain.__name__:
            failure = traceback_record.model_dump_json()
        await job_leases.requeue_job(
            self.driver, self._worker_id, job.id, delay=delay, failure=failure
        )

    async def release_leases(self) -> None:
        """Put back every job on which this worker holds a lease."""
        await job_leases.release_leases(self.driver, self._worker_id)

    async def count_lost_workers(self, job_id: int) -> int:
        """Return how many workers claimed the job and disappeared since it was last queued."""
        return await job_leases.count_lost_workers(self.driver, job_id)


class TryAgain(RetryRequested):
    """The attempt failed and counts. `kit.jobs` looks for this class's name in the queue's log."""


class Interrupted(RetryRequested):
    """The attempt was cancelled and does not count."""


class Entrypoint(AbstractEntrypointExecutor):
    """Passes PgQueuer's jobs to the executor, and its decision to PgQueuer."""

    def __init__(self, executor: JobExecutor) -> None:
        super().__init__(
            EntrypointExecutorParameters(concurrency_limit=0, func=_unused, on_failure="hold")
        )
        self._executor = executor

    async def execute(self, job: Job, context: Context) -> None:
        """
        Run one attempt.

        Raises:
            TryAgain: it failed, and the job is requeued for later.
            Interrupted: it was cancelled, and the job is requeued for now.
            Exception: the job failed for good, and becomes a dead letter.
        """
        del context
        requeue = await self._executor.execute(
            ClaimedJob(
                id=job.id, name=job.entrypoint, payload=job.payload, attempt=job.attempts + 1
            )
        )
        if requeue is None:
            return
        if requeue.error is None:
            raise Interrupted(requeue.delay, "The worker was stopped.")
        raise TryAgain(requeue.delay, describe(requeue.error)) from requeue.error


async def _unused(job: Job) -> None:
    """Fill the parameter in which PgQueuer expects a function; `Entrypoint` never calls it."""
    raise NotImplementedError(job.entrypoint)
