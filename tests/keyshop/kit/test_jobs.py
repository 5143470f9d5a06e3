"""Jobs are stored with their cause, and can be seen and retried."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from keyshop.kit.database.pool import Database
from keyshop.kit.errors import NotFound
from keyshop.kit.jobs import (
    Job,
    JobId,
    JobRow,
    JobState,
    count_jobs,
    decode_job,
    delete_dead_letter,
    delete_expired_job_log,
    enqueue,
    list_jobs,
    retry_dead_letter,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class KeysArrived(Job, frozen=True):
    name: ClassVar[str] = "keys.arrived"
    game_id: str
    seen_at: datetime | None = None


async def put(
    db: Database, game_id: str, *, run_after: timedelta = timedelta(0), priority: int = 0
) -> JobId:
    async with db.transaction() as tx:
        job = KeysArrived(game_id=game_id)
        return await enqueue(tx, job, run_after=run_after, priority=priority)


async def put_dead_letter(db: Database, game_id: str) -> JobId:
    """Enqueue a job and mark it dead, as a worker does when it failed for good."""
    job_id = await put(db, game_id)
    failure = {"exception_type": "OutOfStock", "exception_message": "Too few keys are left."}
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE keyshop.pgqueuer SET status = 'failed', attempts = 2 WHERE id = $1", job_id
        )
        await tx.execute(
            "INSERT INTO keyshop.pgqueuer_log (job_id, status, priority, entrypoint, traceback)"
            " VALUES ($1, 'failed', 0, 'keys.arrived', $2)",
            job_id,
            json.dumps(failure),
        )
    return job_id


async def queue(db: Database, *, dead: bool = False) -> list[JobRow]:
    async with db.read() as reader:
        return await list_jobs(reader, dead=dead)


class TestEnqueue:
    async def test_stores_the_job_with_its_cause(self, db: Database):
        job_id = await put(db, "game-1")

        (job,) = await queue(db)
        assert (job.id, job.name, job.state) == (job_id, "keys.arrived", JobState.WAITING)
        assert job.attempts == 0
        assert job.last_error is None
        assert job.age_seconds >= 0

    async def test_stores_nothing_when_its_cause_is_rolled_back(self, db: Database):
        with suppress(ZeroDivisionError):
            async with db.transaction() as tx:
                await enqueue(tx, KeysArrived(game_id="game-1"))
                raise ZeroDivisionError

        assert await queue(db) == []

    async def test_stores_equal_news_twice(self, db: Database):
        await put(db, "game-1")
        await put(db, "game-1")

        assert len(await queue(db)) == 2

    async def test_keeps_a_job_for_later(self, db: Database):
        await put(db, "game-1", run_after=timedelta(hours=1))

        (job,) = await queue(db)
        assert job.next_run_at is not None
        assert job.next_run_at - job.created_at == timedelta(hours=1)


class TestDecodeJob:
    async def test_returns_what_was_stored(self, db: Database):
        async with db.transaction() as tx:
            stored = KeysArrived(game_id="game-1", seen_at=NOON)
            job_id = await enqueue(tx, stored)
            payload = await tx.fetchval(
                "SELECT payload FROM keyshop.pgqueuer WHERE id = $1", job_id
            )

        assert json.loads(payload) == {"game_id": "game-1", "seen_at": "2026-11-22T12:00:00Z"}
        assert decode_job(KeysArrived, payload) == stored

    def test_reads_old_jobs_that_lack_new_fields(self):
        assert decode_job(KeysArrived, b'{"game_id": "game-1"}').seen_at is None


class TestListJobs:
    async def test_shows_dead_jobs_with_their_last_error(self, db: Database):
        await put(db, "game-1")
        dead_id = await put_dead_letter(db, "game-2")

        (dead,) = await queue(db, dead=True)

        assert (dead.id, dead.state, dead.attempts) == (dead_id, JobState.DEAD, 3)
        assert dead.last_error == "OutOfStock: Too few keys are left."
        assert dead.next_run_at is None
        assert len(await queue(db)) == 2

    async def test_shows_the_newest_dead_jobs_within_the_limit(self, db: Database):
        _, *last = [await put_dead_letter(db, game) for game in ("game-1", "game-2", "game-3")]

        async with db.read() as reader:
            shown = await list_jobs(reader, dead=True, limit=2)

        assert [job.id for job in shown] == last[::-1]


class TestDeleteDeadJob:
    async def test_deletes_only_a_dead_job(self, db: Database):
        waiting_id, dead_id = await put(db, "game-1"), await put_dead_letter(db, "game-2")

        async with db.transaction() as tx:
            await delete_dead_letter(tx, dead_id)
        with pytest.raises(NotFound, match=f"no dead letter {waiting_id}"):
            async with db.transaction() as tx:
                await delete_dead_letter(tx, waiting_id)

        assert [job.id for job in await queue(db)] == [waiting_id]


class TestRetryDeadJob:
    async def test_requeues_a_dead_job_with_all_its_attempts(self, db: Database):
        dead_id = await put_dead_letter(db, "game-1")

        async with db.transaction() as tx:
            await retry_dead_letter(tx, dead_id)

        (job,) = await queue(db)
        assert (job.state, job.attempts) == (JobState.WAITING, 0)

    async def test_refuses_a_job_that_is_not_dead(self, db: Database):
        job_id = await put(db, "game-1")

        with pytest.raises(NotFound, match=f"no dead letter {job_id}"):
            async with db.transaction() as tx:
                await retry_dead_letter(tx, job_id)

    @pytest.mark.parametrize("unknown_id", [0, -1, 4711, 2**63])
    async def test_refuses_an_unknown_id(self, db: Database, unknown_id: int):
        with pytest.raises(NotFound):
            async with db.transaction() as tx:
                await retry_dead_letter(tx, unknown_id)


class TestCountJobs:
    async def test_counts_by_name_and_state(self, db: Database):
        await put(db, "game-1")
        await put(db, "game-2", run_after=timedelta(hours=1))
        await put_dead_letter(db, "game-3")

        async with db.read() as reader:
            figures = await count_jobs(reader)

        counted = {(figure.name, figure.state): figure.jobs for figure in figures}
        assert counted == {
            ("keys.arrived", JobState.WAITING): 2,
            ("keys.arrived", JobState.DEAD): 1,
        }

    async def test_calls_no_job_late_before_its_time(self, db: Database):
        await put(db, "game-1", run_after=timedelta(hours=1))

        async with db.read() as reader:
            (figure,) = await count_jobs(reader)

        assert figure.oldest_seconds == 0


class TestDeleteExpiredJobLog:
    async def test_keeps_the_error_of_a_dead_job(self, db: Database):
        await put_dead_letter(db, "game-1")
        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO keyshop.pgqueuer_log (job_id, status, priority, entrypoint)"
                " VALUES (4711, 'successful', 0, 'keys.arrived')"
            )
            await delete_expired_job_log(tx, before=datetime.now(UTC) + timedelta(minutes=1))
            kept = await tx.fetch("SELECT DISTINCT job_id FROM keyshop.pgqueuer_log")

        (dead,) = await queue(db, dead=True)
        assert [row["job_id"] for row in kept] == [dead.id]
        assert dead.last_error is not None
