"""Write one batch of a run: the catalogue's change and the run's counts, in one transaction."""

from datetime import datetime
from time import perf_counter

import asyncpg
from msgspec.structs import replace

from keyshop.catalog.merge import merge_games
from keyshop.catalog.models import MergeResult
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.sync import queries
from keyshop.sync.batch import Batch
from keyshop.sync.errors import RunTakenOver
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, Unsellable

# A shop in which many write in any order may have to be met several times.
_ATTEMPTS = 8
# Somebody else wrote at the same moment: the same genre, the same slug, a row we waited for.
_RETRYABLE = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ForeignKeyViolationError,
)


async def write_batch(db: Database, run: Run, batch: Batch, *, now: datetime) -> Run:
    """
    Write the batch and return the run with its counts, which are right once this returns.

    Raises:
        RunTakenOver: the run was declared interrupted; the batch was not written.
    """
    began = perf_counter()
    counted = await db.run(
        lambda tx: _write(tx, run, batch, now=now), attempts=_ATTEMPTS, retryable=_RETRYABLE
    )
    return replace(counted, write_seconds=run.write_seconds + perf_counter() - began)


async def _write(tx: Transaction, run: Run, batch: Batch, *, now: datetime) -> Run:
    await queries.lock_writing(tx)
    merged = await merge_games(tx, batch.games.values(), now=now)
    refused = _refused(batch, merged, run.kind)
    counted = _count(run, batch, merged, refused)
    await _record(tx, counted, batch, refused, now=now)
    await queries.release_answered(tx, run.id, _judged(batch, merged, run.kind))
    return counted


def _refused(
    batch: Batch, merged: MergeResult, kind: RunKind
) -> list[tuple[int | None, Unsellable]]:
    """Return what is not believed: what the batch refused, and what could not become a game."""
    refused: list[tuple[int | None, Unsellable]] = [*batch.refused]
    if kind is RunKind.FULL:
        refused += [
            (None, Unsellable(id_, "It has no price above zero, and no game of the shop has it."))
            for id_ in merged.unknown
        ]
    return refused


def _judged(batch: Batch, merged: MergeResult, kind: RunKind) -> list[str]:
    """Return the products about which the batch knows all: no earlier word on them counts."""
    # A stock check does not ask whether an unknown product could become a game.
    unjudged = set() if kind is RunKind.FULL else set(merged.unknown)
    refused = {entry.product_id for _, entry in batch.refused if entry.product_id}
    return sorted((batch.games.keys() - unjudged) | refused)


def _count(
    run: Run, batch: Batch, merged: MergeResult, refused: list[tuple[int | None, Unsellable]]
) -> Run:
    return replace(
        run,
        total=_larger(run.total, batch.total),
        pages=run.pages + batch.pages,
        pages_failed=run.pages_failed + len(batch.lost),
        products=run.products + len(batch.games),
        rejected=run.rejected + len(refused),
        added=run.added + merged.added,
        updated=run.updated + merged.updated,
        relinked=run.relinked + merged.relinked,
        unknown=run.unknown + len(merged.unknown),
        genres_created=run.genres_created + merged.genres_created,
        platforms_created=run.platforms_created + merged.platforms_created,
        categories_created=run.categories_created + merged.categories_created,
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((total for total in (one, other) if total is not None), default=None)


async def _record(
    tx: Transaction,
    run: Run,
    batch: Batch,
    refused: list[tuple[int | None, Unsellable]],
    *,
    now: datetime,
) -> None:
    if not await queries.record_counts(tx, run):
        raise RunTakenOver(run.kind)
    await queries.record_seen(tx, run.id, batch.seen)
    if refused:
        await queries.quarantine(tx, run.id, refused, now=now)
    if batch.lost:
        await queries.record_lost_pages(tx, run.id, batch.lost, now=now)
