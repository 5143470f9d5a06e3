"""Write one batch of a run: the catalogue's changes and the run's counts, in one transaction."""

from datetime import datetime
from time import perf_counter

import asyncpg
from msgspec.structs import replace

from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import MergeResult
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.sync import quarantine_queries, queries, seen_queries
from keyshop.sync.batch import Batch
from keyshop.sync.errors import RunTakenOver
from keyshop.sync.models import Run
from keyshop.sync.rules import Rejection, RunKind

# Many writers that lock rows in any order may cause several conflicts in a row.
_MAX_ATTEMPTS = 8
# Another writer committed at the same moment: the same genre, the same slug, or a locked row.
_RETRYABLE = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ForeignKeyViolationError,
)


async def write_batch(db: Database, run: Run, batch: Batch, *, now: datetime) -> Run:
    """
    Write the batch, and return the run with its new counts.

    Raises:
        RunTakenOver: the run was marked as interrupted; the batch was not written.
    """
    started = perf_counter()
    counted = await db.run(
        lambda tx: _write(tx, run, batch, now=now), attempts=_MAX_ATTEMPTS, retryable=_RETRYABLE
    )
    return replace(counted, write_seconds=run.write_seconds + perf_counter() - started)


async def _write(tx: Transaction, run: Run, batch: Batch, *, now: datetime) -> Run:
    await queries.lock_catalogue_writes(tx)
    merged = await merge_games(tx, batch.games.values(), now=now)
    rejections = _list_rejections(batch, merged, run.kind)
    counted = _count(run, batch, merged, rejected=len(rejections))
    if not await queries.record_counts(tx, counted):
        raise RunTakenOver(run.kind)
    await seen_queries.record_seen(tx, run.id, batch.seen)
    await quarantine_queries.quarantine(tx, run.id, rejections, now=now)
    await queries.record_lost_pages(tx, run.id, batch.lost_pages, now=now)
    await quarantine_queries.release_processed(tx, run.id, _list_processed(batch, merged, run.kind))
    return counted


def _list_rejections(batch: Batch, merged: MergeResult, kind: RunKind) -> list[Rejection]:
    """Return the entries that the batch rejected, and the products that could not become games."""
    if kind is RunKind.STOCK:
        return batch.rejections
    return batch.rejections + [
        Rejection(id_, "It has no price above zero, and no game of the shop has it.")
        for id_ in merged.unknown
    ]


def _list_processed(batch: Batch, merged: MergeResult, kind: RunKind) -> list[str]:
    """Return the products that this batch accepted or rejected: their older entries are obsolete."""
    # A stock check does not test whether an unknown product could become a game.
    untested = set() if kind is RunKind.FULL else set(merged.unknown)
    rejected = {entry.product_id for entry in batch.rejections if entry.product_id}
    return sorted((batch.games.keys() - untested) | rejected)


def _count(run: Run, batch: Batch, merged: MergeResult, *, rejected: int) -> Run:
    return replace(
        run,
        total=_largest(run.total, batch.total),
        pages=run.pages + batch.pages,
        pages_failed=run.pages_failed + len(batch.lost_pages),
        products=run.products + len(batch.games),
        rejected=run.rejected + rejected,
        added=run.added + merged.added,
        updated=run.updated + merged.updated,
        relinked=run.relinked + merged.relinked,
        unknown=run.unknown + len(merged.unknown),
        genres_created=run.genres_created + merged.genres_created,
        platforms_created=run.platforms_created + merged.platforms_created,
        categories_created=run.categories_created + merged.categories_created,
    )


def _largest(*totals: int | None) -> int | None:
    return max((total for total in totals if total is not None), default=None)
