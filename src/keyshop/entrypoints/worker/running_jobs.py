"""The jobs that this process is working on, and why some were cancelled."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class CancelReason(StrEnum):
    """Why a handler was cancelled; also the outcome that logs and metrics show."""

    LEASE_LOST = "lost"  # another worker may have its job already
    INTERRUPTED = "interrupted"  # this worker is shutting down


class RunningJobs:
    """The tasks of running handlers, by the id of their job."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._reasons: dict[int, CancelReason] = {}

    @contextmanager
    def tracking(self, job_id: int, task: asyncio.Task[None]) -> Iterator[None]:
        """Let `cancel` reach the task for the length of a block."""
        self._tasks[job_id] = task
        try:
            yield
        finally:
            del self._tasks[job_id]
            self._reasons.pop(job_id, None)

    def cancel(self, reason: CancelReason, job_ids: Iterable[int] | None = None) -> None:
        """Cancel the handlers of these jobs, or of all jobs when none are named."""
        for job_id in list(self._tasks) if job_ids is None else job_ids:
            task = self._tasks.get(job_id)
            # A second cancellation would hit the handler while it cleans up after the first.
            if task is not None and job_id not in self._reasons:
                self._reasons[job_id] = reason
                task.cancel()

    def find_cancel_reason(self, job_id: int) -> CancelReason | None:
        """Return why the job's handler was cancelled; None: it was not."""
        return self._reasons.get(job_id)
