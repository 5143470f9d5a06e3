"""One attempt at a job: the handler, the decision about what follows, and the line that says so."""

import asyncio
import random
import time
from datetime import timedelta
from typing import Final

import structlog
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job

from keyshop.entrypoints.worker.handlers import Handler
from keyshop.entrypoints.worker.leases import FencedQueue, RunningJobs, Stop
from keyshop.entrypoints.worker.metrics import JOB_SECONDS, JOBS
from keyshop.entrypoints.worker.retries import MAX_WORKERS_LOST, WorkersLost, delay_before_retry
from keyshop.entrypoints.worker.shop import WorkerShop

_log = structlog.get_logger(__name__)

_AT_ONCE: Final = timedelta(0)
_RANDOM: Final = random.SystemRandom()


class TryAgain(RetryRequested):
    """The attempt failed in a way that passes; its name is what the queue's log is searched for."""


class Interrupted(RetryRequested):
    """The attempt was stopped; another worker, or this one when it is back, makes it anew."""


class JobExecutor(AbstractEntrypointExecutor):
    """Makes the attempts at the jobs of one name."""

    def __init__(
        self, handler: Handler, shop: WorkerShop, queue: FencedQueue, running: RunningJobs
    ) -> None:
        super().__init__(
            EntrypointExecutorParameters(concurrency_limit=0, func=_never, on_failure="hold")
        )
        self._handler = handler
        self._shop = shop
        self._queue = queue
        self._running = running

    async def execute(self, job: Job, context: Context) -> None:
        """
        Hand the job to its handler and say what became of it.

        Raises:
            TryAgain: it failed, and is put back into the queue for later.
            Interrupted: it was stopped, and is put back at once.
            Exception: it failed for good, and becomes a dead letter.
        """
        del context
        started = time.perf_counter()
        error, stopped = await self._run(job)
        seconds = time.perf_counter() - started
        if stopped is not None:
            _report(job, stopped, seconds)
            raise Interrupted(_AT_ONCE, "The worker was stopped.")
        if error is None:
            _report(job, "done", seconds)
            return

        attempt = job.attempts + 1
        delay = delay_before_retry(
            error,
            attempt=attempt,
            jitter=_RANDOM.random(),
            most_attempts=self._handler.attempts,
        )
        _report(job, "dead" if delay is None else "retried", seconds, error=error)
        if delay is None:
            raise error
        raise TryAgain(delay, _sentence(error)) from error

    async def _run(self, job: Job) -> tuple[Exception | None, Stop | None]:
        """Return what the handler failed with, or why it was stopped, or neither."""
        # A task of its own: a cancellation of the handler's must not reach PgQueuer's bookkeeping.
        task = asyncio.create_task(self._act(job), name=f"job {job.id}")
        with self._running.holding(job.id, task):
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                task.cancel()
                raise
            stopped = self._running.why_stopped(job.id)
        if task.cancelled():
            return (None, stopped) if stopped else (RuntimeError("The handler gave up."), None)
        error = task.exception()
        if stopped and error:
            return None, stopped
        if error is not None and not isinstance(error, Exception):
            raise error
        return error, None

    async def _act(self, job: Job) -> None:
        lost = await self._queue.count_lost_workers(job.id)
        if lost >= MAX_WORKERS_LOST:
            raise WorkersLost(lost)
        await self._handler.handle(self._shop, job.payload)


async def _never(job: Job) -> None:
    """Stand where PgQueuer wants a function: `JobExecutor` does not call it."""
    raise NotImplementedError(job.entrypoint)


def _report(job: Job, outcome: str, seconds: float, *, error: Exception | None = None) -> None:
    JOBS.labels(job.entrypoint, outcome).inc()
    JOB_SECONDS.labels(job.entrypoint).observe(seconds)
    details = {"error": _sentence(error)} if error else {}
    write = _log.error if outcome == "dead" else _log.info
    write(
        "job",
        operation=job.entrypoint,
        outcome=outcome,
        duration_ms=round(seconds * 1000, 1),
        job_id=job.id,
        attempt=job.attempts + 1,
        **details,
    )


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
