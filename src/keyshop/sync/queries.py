"""The SQL of runs and their errors."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from asyncpg import Record

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.sync.models import LostPage, Run, RunError, RunTotals
from keyshop.sync.rules import RunKind

# Only one batch is written at a time, over runs of both kinds.
_LOCK_CATALOGUE_WRITES = (
    "SELECT pg_advisory_xact_lock(hashtextextended('keyshop.catalog.write', 0))"
)

_COUNTS: Final = (
    "total",
    "pages",
    "pages_failed",
    "products",
    "rejected",
    "added",
    "updated",
    "relinked",
    "unknown",
    "genres_created",
    "platforms_created",
    "categories_created",
    "write_seconds",
)

_START_RUN = """
    INSERT INTO keyshop.sync_runs (id, kind, state, started_at) VALUES ($1, $2, 'RUNNING', $3)
"""

_HAS_OPEN_RUN = """
    SELECT EXISTS (SELECT FROM keyshop.sync_runs WHERE kind = $1 AND state = 'RUNNING')
"""

_HAS_FINISHED_RUN = """
    SELECT EXISTS (
        SELECT FROM keyshop.sync_runs
        WHERE kind = $1 AND state IN ('COMPLETE', 'INCOMPLETE') AND products > 0
    )
"""

_MARK_INTERRUPTED = """
    UPDATE keyshop.sync_runs SET state = 'INTERRUPTED', finished_at = $2,
        reason = 'The process ended before the run finished. What it wrote stays.'
    WHERE kind = $1 AND state = 'RUNNING'
    RETURNING *
"""

# A run that was marked as interrupted matches no row here, and stops.
_RECORD_COUNTS = """
    UPDATE keyshop.sync_runs SET
        total = $2, pages = $3, pages_failed = $4, products = $5, rejected = $6, added = $7,
        updated = $8, relinked = $9, unknown = $10, genres_created = $11, platforms_created = $12,
        categories_created = $13, write_seconds = $14
    WHERE id = $1 AND state = 'RUNNING'
"""

_FINISH_RUN = """
    UPDATE keyshop.sync_runs SET
        state = $2, finished_at = $3, unseen = $4, reason = $5, write_seconds = $6
    WHERE id = $1 AND state = 'RUNNING'
"""

_RECORD_ERROR = """
    INSERT INTO keyshop.sync_errors (run_id, page, reason, created_at) VALUES ($1, $2, $3, $4)
"""

# The newest run of each kind is kept, and so is the newest full one that reached its end: `keyshop up`
# would otherwise repeat the first sync. What the deleted ones had counted stays in the totals.
_DELETE_OLD_RUNS = """
    WITH deleted AS (
        DELETE FROM keyshop.sync_runs WHERE id = ANY(ARRAY(
            SELECT id FROM keyshop.sync_runs AS old
            WHERE finished_at < $1 AND EXISTS (
                SELECT FROM keyshop.sync_runs AS newer
                WHERE newer.kind = old.kind AND newer.started_at > old.started_at
                    AND (newer.state IN ('COMPLETE', 'INCOMPLETE') AND newer.products > 0
                        OR old.state NOT IN ('COMPLETE', 'INCOMPLETE') OR old.products = 0)
            )
            ORDER BY finished_at LIMIT $2
        ))
        RETURNING kind, state, products, rejected, added, updated, finished_at
    ), kept AS (
        INSERT INTO keyshop.deleted_sync_runs AS kept
            (kind, state, runs, products, rejected, added, updated, finished_at)
        SELECT kind, state, count(*), sum(products), sum(rejected), sum(added), sum(updated),
            max(finished_at)
        FROM deleted GROUP BY kind, state ORDER BY kind, state
        ON CONFLICT (kind, state) DO UPDATE SET
            runs = kept.runs + EXCLUDED.runs,
            products = kept.products + EXCLUDED.products,
            rejected = kept.rejected + EXCLUDED.rejected,
            added = kept.added + EXCLUDED.added,
            updated = kept.updated + EXCLUDED.updated,
            finished_at = greatest(kept.finished_at, EXCLUDED.finished_at)
    )
    SELECT count(*) FROM deleted
"""
_RUN_BATCH_SIZE = 200  # their errors are deleted with them

_FIND_RUN = "SELECT * FROM keyshop.sync_runs WHERE id = $1"
_LIST_RUNS = "SELECT * FROM keyshop.sync_runs ORDER BY started_at DESC, id LIMIT $1"
_LATEST_RUNS = """
    SELECT DISTINCT ON (kind) * FROM keyshop.sync_runs ORDER BY kind, started_at DESC, id
"""
_LIST_ERRORS = """
    SELECT page, reason, created_at FROM keyshop.sync_errors
    WHERE run_id = $1 ORDER BY created_at, page LIMIT $2
"""
_RUN_TOTALS = """
    SELECT kind, state, sum(runs)::bigint AS runs, sum(added)::bigint AS added,
        sum(updated)::bigint AS updated, sum(products)::bigint AS products,
        sum(rejected)::bigint AS rejected, max(finished_at) AS finished_at
    FROM (
        SELECT kind, state, 1 AS runs, added, updated, products, rejected, finished_at
        FROM keyshop.sync_runs
        UNION ALL
        SELECT kind, state, runs, added, updated, products, rejected, finished_at
        FROM keyshop.deleted_sync_runs
    ) AS counted
    GROUP BY kind, state ORDER BY kind, state
"""


async def lock_catalogue_writes(tx: Transaction) -> None:
    """Wait until no other batch is being written, and block others until the transaction ends."""
    await tx.fetchval(_LOCK_CATALOGUE_WRITES)


async def start_run(tx: Transaction, run: Run) -> None:
    await tx.execute(_START_RUN, run.id, run.kind, run.started_at)


async def has_open_run(reader: Reader, kind: RunKind) -> bool:
    """Test whether a run of this kind is recorded as running."""
    return bool(await reader.fetchval(_HAS_OPEN_RUN, kind))


async def has_finished_run(reader: Reader, kind: RunKind) -> bool:
    """Test whether a run of this kind ever finished with products, complete or not."""
    return bool(await reader.fetchval(_HAS_FINISHED_RUN, kind))


async def mark_interrupted(tx: Transaction, kind: RunKind, *, now: datetime) -> list[Run]:
    """Mark the runs of this kind that are recorded as running as interrupted, and return them."""
    return [_run(record) for record in await tx.fetch(_MARK_INTERRUPTED, kind, now)]


async def record_counts(tx: Transaction, run: Run) -> bool:
    """Record the run's counts; False when it was marked as interrupted meanwhile."""
    counts = [getattr(run, name) for name in _COUNTS]
    return await tx.execute(_RECORD_COUNTS, run.id, *counts) == 1


async def record_end(tx: Transaction, run: Run) -> bool:
    """Record how the run ended; False when it was marked as interrupted meanwhile."""
    # A batch cannot record its own duration before it ends, so the total is written here.
    end = (run.state, run.finished_at, run.unseen, run.reason, run.write_seconds)
    return await tx.execute(_FINISH_RUN, run.id, *end) == 1


async def record_lost_pages(
    tx: Transaction, run_id: str, pages: Sequence[LostPage], *, now: datetime
) -> None:
    """Record the pages that could not be read as errors of the run."""
    if pages:
        await tx.execute_many(
            _RECORD_ERROR, [(run_id, page.number, page.reason, now) for page in pages]
        )


async def find_run(reader: Reader, run_id: str) -> Run | None:
    record = await reader.fetchrow(_FIND_RUN, run_id)
    return _run(record) if record is not None else None


async def list_runs(reader: Reader, *, limit: int) -> list[Run]:
    """List the newest runs, newest first."""
    return [_run(record) for record in await reader.fetch(_LIST_RUNS, limit)]


async def list_latest_runs(reader: Reader) -> list[Run]:
    """List the newest run of each kind."""
    return [_run(record) for record in await reader.fetch(_LATEST_RUNS)]


async def list_errors(reader: Reader, run_id: str, *, limit: int) -> list[RunError]:
    """List the run's errors, oldest first."""
    return rows(RunError, await reader.fetch(_LIST_ERRORS, run_id, limit))


async def list_run_totals(reader: Reader) -> list[RunTotals]:
    """Add up the counts of all runs by kind and state, deleted ones included."""
    return rows(RunTotals, await reader.fetch(_RUN_TOTALS))


def _run(record: Record) -> Run:
    return msgspec.convert(dict(record), Run)


async def delete_old_runs(tx: Transaction, before: datetime) -> int:
    """Delete runs that finished before then, with their errors, up to 200; return how many."""
    deleted: int = await tx.fetchval(_DELETE_OLD_RUNS, before, _RUN_BATCH_SIZE)
    return deleted
