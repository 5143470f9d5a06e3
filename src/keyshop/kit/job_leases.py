"""
Leases on jobs: which worker may work on a job, and which may finish it.

A worker holds a lease on every job that it has claimed, and renews it while it works. Each
statement that renews or ends a lease names the worker, so a worker that lost its lease changes
nothing.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID

_RENEW: Final = """
    UPDATE keyshop.pgqueuer SET heartbeat = now()
    WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2 AND status = 'picked'
    RETURNING id
"""

# PgQueuer calls a job canceled when its task is cancelled half-way: the job itself is fine.
_FINISH: Final = """
    WITH outcome AS (
        SELECT * FROM unnest($1::bigint[], $2::keyshop.pgqueuer_status[], $3::jsonb[])
            AS outcome (id, status, traceback)
    ), deleted AS (
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
    SELECT finished.id, outcome.status, finished.entrypoint, finished.priority, outcome.traceback
    FROM (SELECT * FROM deleted UNION ALL SELECT * FROM kept) AS finished
    JOIN outcome ON outcome.id = finished.id
"""

_REQUEUE: Final = """
    WITH requeued AS (
        UPDATE keyshop.pgqueuer
        SET status = 'queued', execute_after = now() + $2::interval, updated = now(),
            attempts = attempts + $3, queue_manager_id = NULL
        WHERE id = $1 AND queue_manager_id = $4 AND status = 'picked'
        RETURNING id, entrypoint, priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    SELECT id, 'queued', entrypoint, priority, $5::jsonb FROM requeued
"""

_RELEASE: Final = """
    WITH requeued AS (
        UPDATE keyshop.pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL
        WHERE queue_manager_id = $1 AND status = 'picked'
        RETURNING id, entrypoint, priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM requeued
"""

_COUNT_LEASED: Final = """
    SELECT count(*) AS jobs FROM keyshop.pgqueuer
    WHERE queue_manager_id = $1 AND status = 'picked' AND entrypoint = ANY($2::text[])
"""

# A worker that puts a job back logs it as queued; a worker that dies logs nothing.
_COUNT_LOST_WORKERS: Final = """
    SELECT count(*) - 1 AS workers FROM keyshop.pgqueuer_log
    WHERE job_id = $1 AND status = 'picked' AND created >= (
        SELECT max(created) FROM keyshop.pgqueuer_log WHERE job_id = $1 AND status = 'queued'
    )
"""


class LeaseConnection(Protocol):
    """The one connection on which a worker claims, renews and finishes its jobs."""

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Return all rows of the statement."""
        ...

    async def execute(self, query: str, *args: object) -> str:
        """Run the statement and return PostgreSQL's command tag."""
        ...


class FinishedJob(NamedTuple):
    """The outcome of a job that its worker does not put back for a retry."""

    id: int
    status: str
    """PgQueuer's: `failed` keeps the job as a dead letter, `canceled` requeues it."""

    traceback: str | None
    """JSON."""


async def renew_leases(
    connection: LeaseConnection, worker_id: UUID, job_ids: Sequence[int]
) -> set[object]:
    """Renew the worker's leases on these jobs; return the jobs on which it still holds one."""
    renewed = await connection.fetch(_RENEW, job_ids, worker_id)
    return {record["id"] for record in renewed}


async def finish_jobs(
    connection: LeaseConnection, worker_id: UUID, jobs: Sequence[FinishedJob]
) -> None:
    """End the jobs on which the worker holds a lease: delete, keep as dead letters, or requeue."""
    await connection.execute(
        _FINISH,
        [job.id for job in jobs],
        [job.status for job in jobs],
        [job.traceback for job in jobs],
        worker_id,
    )


async def requeue_job(
    connection: LeaseConnection,
    worker_id: UUID,
    job_id: int,
    *,
    delay: timedelta,
    failure: str | None,
) -> None:
    """
    Put a job back into the queue if the worker holds a lease on it.

    `failure` is the traceback of a failed attempt, as JSON. Without one the attempt was interrupted
    and does not count.
    """
    attempts = 0 if failure is None else 1
    await connection.execute(_REQUEUE, job_id, delay, attempts, worker_id, failure)


async def release_leases(connection: LeaseConnection, worker_id: UUID) -> None:
    """Put back every job on which the worker holds a lease."""
    await connection.execute(_RELEASE, worker_id)


async def count_leased_jobs(
    connection: LeaseConnection, worker_id: UUID, names: Collection[str]
) -> int:
    """Return on how many jobs of these names the worker holds a lease."""
    (counted,) = await connection.fetch(_COUNT_LEASED, worker_id, list(names))
    return int(str(counted["jobs"]))


async def count_lost_workers(connection: LeaseConnection, job_id: int) -> int:
    """Return how many workers claimed the job and disappeared since it was last queued."""
    (counted,) = await connection.fetch(_COUNT_LOST_WORKERS, job_id)
    return int(str(counted["workers"]))
