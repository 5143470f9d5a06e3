"""Expired rows are deleted, and no others."""

from datetime import datetime, timedelta

from structlog.testing import capture_logs

from keyshop.entrypoints.api.database_metrics import read_database_metrics
from keyshop.entrypoints.worker.cleanup import CleanupDue, on_cleanup_due
from keyshop.kit.database.pool import Database
from tests.factories.games import NOON
from tests.factories.jobs import ProbeShop
from tests.factories.sessions import add_user

MOMENT = timedelta(seconds=1)
DAY = timedelta(days=1)

_SESSIONS = """
    INSERT INTO sessions (id, "sessionId", "expiresAt", "createdAt", data)
    SELECT $1 || n, $1 || n, $2::timestamp(3), $2::timestamp(3), '{}' FROM generate_series(1, $3::int) AS n
"""
_FAMILIES = """
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
    SELECT $1, $3, 'any', $2::timestamp(3), $2::timestamp(3)
"""
_EMAIL_TOKENS = """
    INSERT INTO keyshop.email_tokens (id, user_id, purpose, email, created_at, expires_at)
    SELECT $1, $3, 'VERIFY_EMAIL', 'any', $2::timestamp(3), $2::timestamp(3)
"""
_LIMITS = "INSERT INTO keyshop.rate_limits (key, arrives_at) VALUES ($1, $2)"
_FAILURES = """
    INSERT INTO keyshop.sign_in_failures (email_digest, failures, last_failed_at) VALUES ($1, 1, $2)
"""
_MAILS = "INSERT INTO keyshop.sent_mails (id, sent_at) VALUES ($1, $2)"
_CLAIMS = """
    INSERT INTO keyshop.idempotency (user_id, key_digest, body_hash, is_implicit, created_at)
    VALUES ('any', $1, 'any', false, $2)
"""
_RUNS = """
    INSERT INTO keyshop.sync_runs (id, kind, state, started_at, finished_at, products)
    VALUES ($1, 'FULL', $2, $3::timestamp(3), $3::timestamp(3), 5)
"""
_COUNTED_RUNS = """
    INSERT INTO keyshop.sync_runs
        (id, kind, state, started_at, finished_at, products, rejected, added, updated)
    SELECT concat_ws(' ', $1::text, kind, state, n), kind, state, $2::timestamp(3), $2::timestamp(3), n * 7, n, n * 2, n * 3
    FROM generate_series(1, $3::int) AS n,
        unnest(ARRAY['full', 'stock']) AS kind,
        unnest(ARRAY['COMPLETE', 'INCOMPLETE', 'FAILED', 'SUSPECT', 'INTERRUPTED']) AS state
"""
_ERRORS = """
    INSERT INTO keyshop.sync_errors (run_id, page, reason, created_at)
    SELECT id, 1, 'any', $1 FROM keyshop.sync_runs
"""
_TICKS = """
    INSERT INTO keyshop.schedule_ticks (name, due_at, created_at)
    VALUES ('any', $1, $1), ('any', $2, $2)
"""
_JOB_LOG = """
    INSERT INTO keyshop.pgqueuer_log (job_id, status, priority, entrypoint, created)
    VALUES (1, 'successful', 0, 'any', $1), (2, 'successful', 0, 'any', $2)
"""

_LEFT = """
    SELECT array_agg(DISTINCT name ORDER BY name) FROM (
        SELECT "sessionId" AS name FROM sessions
        UNION ALL SELECT id FROM keyshop.token_families
        UNION ALL SELECT id FROM keyshop.email_tokens
        UNION ALL SELECT key FROM keyshop.rate_limits
        UNION ALL SELECT email_digest FROM keyshop.sign_in_failures
        UNION ALL SELECT id FROM keyshop.sent_mails
        UNION ALL SELECT key_digest FROM keyshop.idempotency
    ) AS names
"""

# The first batch meets a deadlock, as with a transaction that deletes several games.
_DEADLOCK_ONCE = (
    "CREATE SEQUENCE attempts",
    """
    CREATE FUNCTION deadlock_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('attempts') = 1 THEN
            RAISE EXCEPTION 'collided' USING ERRCODE = 'deadlock_detected';
        END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER collide AFTER DELETE ON sessions EXECUTE FUNCTION deadlock_once()",
)


async def add_visits(db: Database, name: str, *, at: datetime, sessions: int = 1) -> None:
    """Store a row in each table that expires at `at`, and this many sessions."""
    user = await add_user(db)
    async with db.transaction() as tx:
        await tx.execute(_SESSIONS, f"{name} session ", at, sessions)
        await tx.execute(_FAMILIES, f"{name} family", at, user.id)
        await tx.execute(_EMAIL_TOKENS, f"{name} proof", at - DAY, user.id)
        await tx.execute(_LIMITS, f"{name} limit", at)
        await tx.execute(_FAILURES, f"{name} failures", at - DAY)
        await tx.execute(_MAILS, f"{name} mail", at - 30 * DAY)
        await tx.execute(_CLAIMS, f"{name} claim", at - DAY)


async def sync_figures(db: Database) -> dict[str, float]:
    """Return what `/metrics` says about sync runs, by name and labels."""
    return {
        f"{sample.name}{sample.labels}": sample.value
        for metric in await read_database_metrics(db)
        for sample in metric.samples
        if metric.name.startswith("keyshop_sync_")
    }


class TestCleanup:
    async def test_deletes_expired_rows_and_no_others(self, shop: ProbeShop):
        await add_visits(shop.db, "old", at=NOON - MOMENT, sessions=450)
        await add_visits(shop.db, "live", at=NOON + MOMENT)

        with capture_logs() as logs:
            await on_cleanup_due(shop, CleanupDue(due_at=NOON))

        async with shop.db.read() as reader:
            left = await reader.fetchval(_LEFT)
        kinds = ("claim", "failures", "family", "limit", "mail", "proof", "session 1")
        assert left == [f"live {kind}" for kind in kinds]
        (line,) = [line for line in logs if line["event"] == "tidied"]
        assert line["sessions"] == 450
        assert line["sent_mails"] == 1

    async def test_keeps_the_newest_runs_and_ticks_however_old(self, shop: ProbeShop):
        async with shop.db.transaction() as tx:
            for number, state, days in (
                (1, "COMPLETE", 300), (2, "COMPLETE", 200), (3, "FAILED", 150), (4, "FAILED", 100),
            ):  # fmt: skip
                await tx.execute(_RUNS, f"run {number}", state, NOON - days * DAY)
            await tx.execute(_ERRORS, NOON)
            await tx.execute(_TICKS, NOON - 40 * DAY, NOON - 15 * DAY)
            await tx.execute(_JOB_LOG, NOON - 15 * DAY, NOON - 13 * DAY)

        with capture_logs() as logs:
            await on_cleanup_due(shop, CleanupDue(due_at=NOON))

        async with shop.db.read() as reader:
            runs = await reader.fetchval("SELECT array_agg(id ORDER BY id) FROM keyshop.sync_runs")
            errors = await reader.fetchval("SELECT count(*) FROM keyshop.sync_errors")
            ticks = await reader.fetch("SELECT due_at FROM keyshop.schedule_ticks")
            jobs = await reader.fetchval("SELECT array_agg(job_id) FROM keyshop.pgqueuer_log")
        # A full sync that reached its end, so that `keyshop up` does not repeat the first one; and the
        # newest.
        assert runs == ["run 2", "run 4"]
        assert errors == 2
        assert [tick["due_at"] for tick in ticks] == [NOON - 15 * DAY]
        assert jobs == [2]
        (line,) = [line for line in logs if line["event"] == "tidied"]
        assert (line["sync_runs"], line["ticks"], line["job_log"]) == (2, 1, 1)

    async def test_lets_no_figure_of_sync_runs_fall(self, shop: ProbeShop):
        async with shop.db.transaction() as tx:
            await tx.execute(_COUNTED_RUNS, "oldest", NOON - 300 * DAY, 30)
            await tx.execute(_COUNTED_RUNS, "old", NOON - 100 * DAY, 3)
            await tx.execute(_COUNTED_RUNS, "new", NOON - DAY, 2)
        before = await sync_figures(shop.db)

        # First the oldest, in more than one batch; then what the same totals are added to.
        for due_at, left in ((NOON - 50 * DAY, 50), (NOON, 20), (NOON, 20)):
            await on_cleanup_due(shop, CleanupDue(due_at=due_at))
            async with shop.db.read() as reader:
                assert await reader.fetchval("SELECT count(*) FROM keyshop.sync_runs") == left
            assert await sync_figures(shop.db) == before
        assert len([name for name in before if name.startswith("keyshop_sync_runs_total")]) == 10

    async def test_keeps_the_totals_of_a_kind_whose_runs_of_a_state_are_all_gone(
        self, shop: ProbeShop
    ):
        async with shop.db.transaction() as tx:
            await tx.execute(_RUNS, "run 1", "FAILED", NOON - 200 * DAY)
            await tx.execute(_RUNS, "run 2", "COMPLETE", NOON - DAY)
        before = await sync_figures(shop.db)

        await on_cleanup_due(shop, CleanupDue(due_at=NOON))

        async with shop.db.read() as reader:
            assert await reader.fetchval("SELECT array_agg(id) FROM keyshop.sync_runs") == ["run 2"]
        assert await sync_figures(shop.db) == before

    async def test_succeeds_when_nothing_has_expired(self, shop: ProbeShop):
        await on_cleanup_due(shop, CleanupDue(due_at=NOON))
        await on_cleanup_due(shop, CleanupDue(due_at=NOON))

    async def test_repeats_a_batch_that_met_a_deadlock(self, shop: ProbeShop):
        await add_visits(shop.db, "old", at=NOON - MOMENT)
        async with shop.db.transaction() as tx:
            for statement in _DEADLOCK_ONCE:
                await tx.execute(statement)

        await on_cleanup_due(shop, CleanupDue(due_at=NOON))

        async with shop.db.read() as reader:
            assert await reader.fetchval("SELECT last_value FROM attempts") > 1
            assert await reader.fetchval(_LEFT) is None
