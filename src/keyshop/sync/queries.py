"""All SQL of the sync's own tables."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from asyncpg import Record

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.sync.models import PageLost, Quarantined, Run, RunError
from keyshop.sync.rules import RunKind, Unsellable

# Only one batch is written at a time, whatever kind of run it belongs to.
_LOCK_WRITING = "SELECT pg_advisory_xact_lock(hashtextextended('keyshop.catalog.write', 0))"

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

_WAS_EVER_READ = """
    SELECT EXISTS (
        SELECT FROM keyshop.sync_runs
        WHERE kind = $1 AND state IN ('COMPLETE', 'INCOMPLETE') AND products > 0
    )
"""

_INTERRUPT_RUNS = """
    UPDATE keyshop.sync_runs SET state = 'INTERRUPTED', finished_at = $2,
        reason = 'Its process ended before the run did; what it wrote stays.'
    WHERE kind = $1 AND state = 'RUNNING'
    RETURNING *
"""

# A run that was declared interrupted finds no row here, and stops.
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

_RECORD_SEEN = "INSERT INTO keyshop.sync_seen_products (run_id, product_ids) VALUES ($1, $2)"

_RECORD_ERROR = """
    INSERT INTO keyshop.sync_errors (run_id, page, reason, created_at) VALUES ($1, $2, $3, $4)
"""

_QUARANTINE = """
    INSERT INTO keyshop.sync_quarantine AS q
        (product_id, reason, run_id, page, first_seen_at, last_seen_at)
    SELECT DISTINCT ON (product_id, reason) product_id, reason, $1, page, $5, $5
    FROM unnest($2::text[], $3::text[], $4::integer[]) AS r (product_id, reason, page)
    ON CONFLICT (product_id, reason) DO UPDATE SET
        run_id = excluded.run_id, page = excluded.page, last_seen_at = excluded.last_seen_at
"""

# Whoever a valid answer names without refusing it, or for another reason, is no longer refused.
_RELEASE_ANSWERED = """
    DELETE FROM keyshop.sync_quarantine WHERE product_id = ANY($1::text[]) AND run_id <> $2
"""
# Whoever nobody refused since a complete run began is well again, or gone.
_RELEASE = "DELETE FROM keyshop.sync_quarantine WHERE last_seen_at < $1::timestamp(3)"

_COUNT_SEEN = """
    SELECT count(DISTINCT id) FROM (
        SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
    ) AS seen
"""

_COUNT_UNSEEN = """
    SELECT count(*) FROM games AS g
    WHERE g."g2aProductId" IS NOT NULL AND NOT EXISTS (
        SELECT FROM (
            SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
        ) AS seen
        WHERE seen.id = g."g2aProductId"
    )
"""

# An entry without an id (its place stands for it) may be any of the games that were not seen.
_MARK_MISSING = """
    WITH seen AS MATERIALIZED (
        SELECT unnest(product_ids) AS id FROM keyshop.sync_seen_products WHERE run_id = $1
    )
    INSERT INTO keyshop.sync_missing_products (product_id, since)
    SELECT DISTINCT g."g2aProductId", $2::timestamp(3) FROM games AS g
    WHERE g."g2aProductId" IS NOT NULL
        AND NOT EXISTS (SELECT FROM seen WHERE seen.id = g."g2aProductId")
        AND NOT EXISTS (SELECT FROM seen WHERE seen.id LIKE '%/%')
    ON CONFLICT DO NOTHING
"""

_UNMARK_MISSING = """
    DELETE FROM keyshop.sync_missing_products AS m
    WHERE m.product_id IN (
        SELECT unnest(product_ids) FROM keyshop.sync_seen_products WHERE run_id = $1
    ) OR NOT EXISTS (SELECT FROM games AS g WHERE g."g2aProductId" = m.product_id)
"""

_FORGET_SEEN = """
    DELETE FROM keyshop.sync_seen_products AS s USING keyshop.sync_runs AS r
    WHERE r.id = s.run_id AND r.kind = $1 AND r.id <> $2
"""

_FIND_RUN = "SELECT * FROM keyshop.sync_runs WHERE id = $1"
_LIST_RUNS = "SELECT * FROM keyshop.sync_runs ORDER BY started_at DESC, id LIMIT $1"
_LATEST_RUNS = """
    SELECT DISTINCT ON (kind) * FROM keyshop.sync_runs ORDER BY kind, started_at DESC, id
"""
_LIST_ERRORS = """
    SELECT page, reason, created_at FROM keyshop.sync_errors
    WHERE run_id = $1 ORDER BY created_at, page LIMIT $2
"""
_LIST_QUARANTINE = """
    SELECT product_id, reason, page, first_seen_at, last_seen_at FROM keyshop.sync_quarantine
    ORDER BY last_seen_at DESC, product_id, reason LIMIT $1
"""
_RUN_FIGURES = """
    SELECT kind, state, count(*) AS runs, sum(added)::bigint AS added,
        sum(updated)::bigint AS updated, sum(products)::bigint AS products,
        sum(rejected)::bigint AS rejected, max(finished_at) AS finished_at
    FROM keyshop.sync_runs GROUP BY kind, state ORDER BY kind, state
"""
_COUNT_QUARANTINED = "SELECT count(*) FROM keyshop.sync_quarantine"


class RunFigures(msgspec.Struct, frozen=True):
    """All runs of one kind that ended one way, added up."""

    kind: str
    state: str
    runs: int
    added: int
    updated: int
    products: int
    rejected: int
    finished_at: datetime | None


async def lock_writing(tx: Transaction) -> None:
    """Wait until no other batch is being written, and keep others out until the transaction ends."""
    await tx.fetchval(_LOCK_WRITING)


async def start_run(tx: Transaction, run: Run) -> None:
    """Record that the run began."""
    await tx.execute(_START_RUN, run.id, run.kind, run.started_at)


async def has_open_run(reader: Reader, kind: RunKind) -> bool:
    """Test whether a run of the kind counts as running."""
    return bool(await reader.fetchval(_HAS_OPEN_RUN, kind))


async def was_ever_read(reader: Reader, kind: RunKind) -> bool:
    """Test whether a run of the kind came to its end with products."""
    return bool(await reader.fetchval(_WAS_EVER_READ, kind))


async def interrupt_runs(tx: Transaction, kind: RunKind, *, now: datetime) -> list[Run]:
    """Declare the runs of the kind that still count as running interrupted, and return them."""
    return [_run(record) for record in await tx.fetch(_INTERRUPT_RUNS, kind, now)]


async def record_counts(tx: Transaction, run: Run) -> bool:
    """Record the run's counts; False when it was declared interrupted meanwhile."""
    counts = [getattr(run, name) for name in _COUNTS]
    return await tx.execute(_RECORD_COUNTS, run.id, *counts) == 1


async def finish_run(tx: Transaction, run: Run) -> bool:
    """Record how the run ended; False when it was declared interrupted meanwhile."""
    # Each batch is recorded before its own time is known, so the whole time is told here.
    end = (run.state, run.finished_at, run.unseen, run.reason, run.write_seconds)
    return await tx.execute(_FINISH_RUN, run.id, *end) == 1


async def record_seen(tx: Transaction, run_id: str, product_ids: Sequence[str]) -> None:
    """Record which products a batch answered for."""
    await tx.execute(_RECORD_SEEN, run_id, product_ids)


async def record_error(
    tx: Transaction, run_id: str, *, page: int | None, reason: str, now: datetime
) -> None:
    """Record something that went wrong in the run."""
    await tx.execute(_RECORD_ERROR, run_id, page, reason, now)


async def record_lost_pages(
    tx: Transaction, run_id: str, pages: Sequence[PageLost], *, now: datetime
) -> None:
    """Record the pages that could not be had."""
    await tx.execute_many(
        _RECORD_ERROR, [(run_id, page.number, page.reason, now) for page in pages]
    )


async def quarantine(
    tx: Transaction,
    run_id: str,
    entries: Sequence[tuple[int | None, Unsellable]],
    *,
    now: datetime,
) -> None:
    """Keep the entries (with their pages) that were not believed."""
    await tx.execute(
        _QUARANTINE,
        run_id,
        [entry.product_id for _, entry in entries],
        [entry.reason for _, entry in entries],
        [page for page, _ in entries],
        now,
    )


async def release_answered(tx: Transaction, run_id: str, product_ids: Sequence[str]) -> None:
    """Forget the entries of these products that earlier runs made."""
    await tx.execute(_RELEASE_ANSWERED, product_ids, run_id)


async def release_quarantine(tx: Transaction, *, since: datetime) -> None:
    """Forget the entries that nobody refused since then."""
    await tx.execute(_RELEASE, since)


async def count_answered(reader: Reader, run_id: str) -> int:
    """Count the different products that the run was answered for, believed or not."""
    return int(await reader.fetchval(_COUNT_SEEN, run_id))


async def count_unseen(reader: Reader, run_id: str) -> int:
    """Count the supplier's games of the shop that the run did not see."""
    return int(await reader.fetchval(_COUNT_UNSEEN, run_id))


async def record_missing(tx: Transaction, run: Run) -> None:
    """Record since when each of the shop's games is missing from the supplier's list."""
    await tx.execute(_UNMARK_MISSING, run.id)
    await tx.execute(_MARK_MISSING, run.id, run.finished_at)


async def forget_seen(tx: Transaction, run: Run) -> None:
    """Drop the seen lists of the kind's earlier runs."""
    await tx.execute(_FORGET_SEEN, run.kind, run.id)


async def find_run(reader: Reader, run_id: str) -> Run | None:
    """Return the run, if there is one."""
    record = await reader.fetchrow(_FIND_RUN, run_id)
    return _run(record) if record is not None else None


async def list_runs(reader: Reader, *, limit: int) -> list[Run]:
    """List the newest runs, newest first."""
    return [_run(record) for record in await reader.fetch(_LIST_RUNS, limit)]


async def list_latest_runs(reader: Reader) -> list[Run]:
    """List the newest run of each kind."""
    return [_run(record) for record in await reader.fetch(_LATEST_RUNS)]


async def list_errors(reader: Reader, run_id: str, *, limit: int) -> list[RunError]:
    """List what went wrong in the run, in the order of time."""
    return rows(RunError, await reader.fetch(_LIST_ERRORS, run_id, limit))


async def list_quarantine(reader: Reader, *, limit: int) -> list[Quarantined]:
    """List the entries that are not believed at present, newest first."""
    return rows(Quarantined, await reader.fetch(_LIST_QUARANTINE, limit))


async def list_run_figures(reader: Reader) -> list[RunFigures]:
    """Add up all runs by kind and by how they ended."""
    return rows(RunFigures, await reader.fetch(_RUN_FIGURES))


async def count_quarantined(reader: Reader) -> int:
    """Count the entries that are not believed at present."""
    return int(await reader.fetchval(_COUNT_QUARANTINED))


def _run(record: Record) -> Run:
    return msgspec.convert(dict(record), Run)
