"""One attempt at a job: run the handler, decide what follows, log and count the outcome."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from msgspec import Struct

from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.metrics import JOB_SECONDS, JOBS
from keyshop.entrypoints.worker.retries import MAX_LOST_WORKERS, WorkersLost, delay_before_retry
from keyshop.entrypoints.worker.running_jobs import CancelReason, RunningJobs
from keyshop.entrypoints.worker.shop import WorkerShop

_log = structlog.get_logger(__name__)

_NO_DELAY: Final = timedelta(0)
_RANDOM: Final = random.SystemRandom()


class ClaimedJob(Struct, frozen=True, kw_only=True):
    """A job on which this worker holds the lease."""

    id: int
    name: str
    payload: bytes | None
    attempt: int
    """The number of this attempt; the first is 1."""


class Requeue(Struct, frozen=True):
    """The job is not done and goes back into the queue."""

    delay: timedelta
    error: Exception | None = None
    """None: the attempt was interrupted and does not count."""


class JobExecutor:
    """Runs the jobs of one name."""

    def __init__(
        self,
        handler: Handler,
        shop: WorkerShop,
        running: RunningJobs,
        count_lost_workers: Callable[[int], Awaitable[int]],
    ) -> None:
        self._handler = handler
        self._shop = shop
        self._running = running
        self._count_lost_workers = count_lost_workers

    async def execute(self, job: ClaimedJob) -> Requeue | None:
        """
        Run the handler once; return how the job goes back into the queue, or None: it is done.

        Raises:
            Exception: the job failed for good, and becomes a dead letter.
        """
        started = time.perf_counter()
        error, cancelled = await self._run(job)
        seconds = time.perf_counter() - started
        if cancelled is not None:
            _record(job, cancelled, seconds)
            return Requeue(_NO_DELAY)
        if error is None:
            _record(job, "done", seconds)
            return None

        delay = delay_before_retry(
            error,
            attempt=job.attempt,
            jitter=_RANDOM.random(),
            max_attempts=self._handler.max_attempts,
        )
        _record(job, "dead" if delay is None else "retried", seconds, error=error)
        if delay is None:
            raise error
        return Requeue(delay, error)

    async def _run(self, job: ClaimedJob) -> tuple[Exception | None, CancelReason | None]:
        """Return the handler's error, or why it was cancelled, or neither."""
        # A task of its own: cancelling the handler must not reach PgQueuer's bookkeeping.
        task = asyncio.create_task(self._handle(job), name=f"job {job.id}")
        with self._running.tracking(job.id, task):
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                task.cancel()
                raise
            reason = self._running.find_cancel_reason(job.id)
        if task.cancelled():
            return (None, reason) if reason else (RuntimeError("The handler gave up."), None)
        error = task.exception()
        if reason and error:
            return None, reason
        if error is not None and not isinstance(error, Exception):
            raise error
        return error, None

    async def _handle(self, job: ClaimedJob) -> None:
        lost = await self._count_lost_workers(job.id)
        if lost >= MAX_LOST_WORKERS:
            raise WorkersLost(lost)
        await self._handler.handle(self._shop, job.payload)


def describe(error: Exception) -> str:
    """Return the error's class and sentence, as `keyshop jobs list` and the log show them."""
    return f"{type(error).__name__}: {error}"


def _record(
    job: ClaimedJob, outcome: str, seconds: float, *, error: Exception | None = None
) -> None:
    JOBS.labels(job.name, outcome).inc()
    JOB_SECONDS.labels(job.name).observe(seconds)
    details = {"error": describe(error)} if error else {}
    write = _log.error if outcome == "dead" else _log.info
    write(
        "job",
        operation=job.name,
        outcome=outcome,
        duration_ms=round(seconds * 1000, 1),
        job_id=job.id,
        attempt=job.attempt,
        **details,
    )
