"""
Jobs: messages to the worker, stored in the transaction of their cause.

The queue is PgQueuer's, with its tables in schema keyshop. Only the worker runs PgQueuer itself; to
enqueue, list and retry, the statements below suffice.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, NewType, TypeVar

import msgspec

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.errors import NotFound

JobId = NewType("JobId", int)

_Job = TypeVar("_Job", bound="Job")

_ENQUEUE: Final = """
    WITH added AS (
        INSERT INTO keyshop.pgqueuer (entrypoint, payload, priority, execute_after, status)
        VALUES ($1, $2, $3, now() + $4::interval, 'queued')
        RETURNING id, entrypoint, priority
    ), logged AS (
        INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, 'queued', entrypoint, priority FROM added
    )
    SELECT id FROM added
"""

# A repeated attempt is logged under the class TryAgain, whose message holds the true error.
_LIST: Final = """
    SELECT job.id, job.entrypoint AS name,
        CASE job.status WHEN 'queued' THEN 'waiting' WHEN 'picked' THEN 'running' ELSE 'dead' END
            AS state,
        job.attempts + (job.status <> 'queued')::int AS attempts, job.created AS created_at,
        CASE job.status WHEN 'queued' THEN job.execute_after END AS next_run_at,
        extract(epoch FROM now() - job.created)::float8 AS age_seconds,
        failure.sentence AS last_error
    FROM keyshop.pgqueuer AS job
    LEFT JOIN LATERAL (
        SELECT CASE traceback ->> 'exception_type'
            WHEN 'TryAgain' THEN traceback ->> 'exception_message'
            ELSE concat_ws(': ', traceback ->> 'exception_type', traceback ->> 'exception_message')
            END AS sentence
        FROM keyshop.pgqueuer_log
        WHERE job_id = job.id AND traceback IS NOT NULL
        ORDER BY created DESC, id DESC LIMIT 1
    ) AS failure ON true
    WHERE job.status = 'failed' OR (NOT $1 AND job.status IN ('queued', 'picked'))
    ORDER BY job.id DESC LIMIT $2
"""

_RETRY_DEAD_LETTER: Final = """
    WITH requeued AS (
        UPDATE keyshop.pgqueuer
        SET status = 'queued', execute_after = now(), updated = now(), attempts = 0
        WHERE id = $1 AND status = 'failed'
        RETURNING id, entrypoint, priority
    )
    INSERT INTO keyshop.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM requeued
"""

_DELETE_DEAD_LETTER: Final = "DELETE FROM keyshop.pgqueuer WHERE id = $1 AND status = 'failed'"

# A waiting job is late from the moment when it may run; the others count from their last change.
_COUNT: Final = """
    SELECT entrypoint AS name,
        CASE status WHEN 'queued' THEN 'waiting' WHEN 'picked' THEN 'running' ELSE 'dead' END
            AS state,
        count(*) AS jobs,
        greatest(extract(epoch FROM now() - min(
            CASE status WHEN 'queued' THEN execute_after ELSE updated END
        )), 0)::float8 AS oldest_seconds
    FROM keyshop.pgqueuer
    WHERE status IN ('queued', 'picked', 'failed')
    GROUP BY entrypoint, status ORDER BY entrypoint, status
"""

# The error of a dead letter is kept as long as the job.
_DELETE_EXPIRED_LOG: Final = """
    DELETE FROM keyshop.pgqueuer_log WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.pgqueuer_log AS log
        WHERE created < $1
            AND NOT EXISTS (SELECT FROM keyshop.pgqueuer AS job WHERE job.id = log.job_id)
        ORDER BY created LIMIT $2
    ))
"""
_DELETE_EXPIRED_STATISTICS: Final = """
    DELETE FROM keyshop.pgqueuer_statistics WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.pgqueuer_statistics WHERE created < $1 LIMIT $2
    ))
"""
_BATCH_SIZE: Final = 10_000


class Job(msgspec.Struct, frozen=True):
    """
    A fact that the worker acts on; it carries ids, never objects.

    Its name is stored and so never changes. A new field has a default, because old jobs are still
    in the queue when new code starts.
    """

    name: ClassVar[str]


class JobState(StrEnum):
    """The state of a job in the queue; a job that succeeds leaves it."""

    WAITING = "waiting"  # for its time, or for a worker
    RUNNING = "running"  # a worker has claimed it
    DEAD = "dead"  # a dead letter: it failed for good and waits for an operator


class JobRow(msgspec.Struct, frozen=True):
    """A job in the queue."""

    id: JobId
    name: str
    state: JobState
    attempts: int
    """Since it was enqueued, or retried by hand; interrupted attempts do not count."""

    created_at: datetime
    next_run_at: datetime | None
    """The earliest time at which a worker may claim it; None unless it is waiting."""

    age_seconds: float
    last_error: str | None
    """Class and sentence of the last error."""


class JobCount(msgspec.Struct, frozen=True):
    """How many jobs of one name are in one state."""

    name: str
    state: JobState
    jobs: int
    oldest_seconds: float
    """How long the oldest has been late (waiting), running, or a dead letter."""


class JobNotFound(NotFound):
    """There is no dead letter of this id."""

    def __init__(self, job_id: int) -> None:
        super().__init__(
            f"There is no dead letter {job_id}; `keyshop jobs list --dead` shows them."
        )


async def enqueue(
    tx: Transaction, job: Job, *, run_after: timedelta = timedelta(0), priority: int = 0
) -> JobId:
    """
    Store the job; a worker claims it after the transaction has committed and `run_after` passed.

    Of several waiting jobs, the one of the highest priority is claimed first, then the oldest.
    """
    job_id: int = await tx.fetchval(
        _ENQUEUE, job.name, msgspec.json.encode(job), priority, run_after
    )
    return JobId(job_id)


def decode_job(kind: type[_Job], payload: bytes | None) -> _Job:
    """
    Return the job that `enqueue` stored.

    Raises:
        msgspec.ValidationError: the payload is not one of this kind.
    """
    return msgspec.json.decode(payload or b"{}", type=kind)


async def list_jobs(reader: Reader, *, dead: bool = False, limit: int = 1000) -> list[JobRow]:
    """Return the newest jobs in the queue, or only the dead letters, newest first."""
    return [
        msgspec.structs.replace(job, state=JobState(job.state))
        for job in rows(JobRow, await reader.fetch(_LIST, dead, limit))
    ]


async def retry_dead_letter(tx: Transaction, job_id: int) -> None:
    """
    Put a dead letter back into the queue, with all its attempts again.

    Raises:
        JobNotFound: there is no dead letter of this id.
    """
    await _change_dead_letter(tx, _RETRY_DEAD_LETTER, job_id)


async def delete_dead_letter(tx: Transaction, job_id: int) -> None:
    """
    Delete a dead letter.

    Raises:
        JobNotFound: there is no dead letter of this id.
    """
    await _change_dead_letter(tx, _DELETE_DEAD_LETTER, job_id)


async def _change_dead_letter(tx: Transaction, statement: str, job_id: int) -> None:
    # PostgreSQL would refuse an id beyond the column's range; no job has one.
    if not 0 < job_id < 2**63 or not await tx.execute(statement, job_id):
        raise JobNotFound(job_id)


async def count_jobs(reader: Reader) -> list[JobCount]:
    """Return how many jobs there are of each name and state; names without jobs are absent."""
    return [
        msgspec.structs.replace(count, state=JobState(count.state))
        for count in rows(JobCount, await reader.fetch(_COUNT))
    ]


async def delete_expired_job_log(tx: Transaction, *, before: datetime) -> int:
    """
    Delete the log and statistics of finished jobs, which would grow for ever.

    Deletes up to 10,000 rows of each, and returns how many in all.
    """
    deleted = await tx.execute(_DELETE_EXPIRED_LOG, before, _BATCH_SIZE)
    return deleted + await tx.execute(_DELETE_EXPIRED_STATISTICS, before, _BATCH_SIZE)
