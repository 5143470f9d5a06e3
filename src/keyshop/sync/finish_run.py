"""End a run: compare what was read with what the supplier counts, and record the outcome."""

import asyncio
from contextlib import suppress
from datetime import datetime

import structlog
from msgspec.structs import replace

from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.sync import quarantine_queries, queries, seen_queries
from keyshop.sync.errors import RunTakenOver
from keyshop.sync.models import Run
from keyshop.sync.rules import (
    RunKind,
    RunState,
    SyncPolicy,
    find_incomplete_reason,
    find_suspect_reason,
)
from keyshop.sync.run_log import log_fields

_log = structlog.get_logger(__name__)


async def finish_run(db: Database, run: Run, *, policy: SyncPolicy, now: datetime) -> Run:
    """
    Record whether the run is complete and credible, and return its record.

    Raises:
        RunTakenOver: the run was marked as interrupted meanwhile; nothing was recorded.
    """
    async with db.transaction() as tx:
        # A run of the other kind may write the same rows now, in another order.
        await queries.lock_catalogue_writes(tx)
        incomplete = find_incomplete_reason(
            total=run.total,
            answered=await seen_queries.count_answered(tx, run.id),
            pages=run.pages,
            pages_failed=run.pages_failed,
            last_page=policy.last_page,
        )
        unseen = await seen_queries.count_unseen(tx, run.id) if run.total is not None else None
        suspect = find_suspect_reason(total=run.total, unseen=unseen)
        ended = replace(
            run,
            state=_end_state(suspect, incomplete),
            finished_at=now,
            unseen=unseen,
            reason=suspect or incomplete,
        )
        if ended.state is RunState.COMPLETE:
            await _record_absent(tx, ended)
        await seen_queries.delete_earlier_seen(tx, ended)
        if not await queries.record_end(tx, ended):
            raise RunTakenOver(run.kind)
    return ended


def _end_state(suspect: str | None, incomplete: str | None) -> RunState:
    if suspect is not None:
        return RunState.SUSPECT
    return RunState.COMPLETE if incomplete is None else RunState.INCOMPLETE


async def _record_absent(tx: Transaction, run: Run) -> None:
    """Record which products a complete run did not see. The games stay as they are."""
    await seen_queries.record_missing(tx, run)
    if run.kind is RunKind.FULL:
        await quarantine_queries.release_unseen(tx, since=run.started_at)


async def record_early_end(db: Database, run: Run, error: BaseException, *, now: datetime) -> None:
    """Record that an error or a cancellation ended the run, if the database can be reached."""
    is_stop = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
    ended = replace(
        run,
        state=RunState.INTERRUPTED if is_stop else RunState.FAILED,
        finished_at=now,
        reason="The run was stopped. What it wrote stays."
        if is_stop
        else f"The run ended with an internal error ({type(error).__name__}); see the log.",
    )
    _log.warning("sync.run_ended_early", **log_fields(ended))
    # If this fails, the next start finds the record still open, and closes it.
    with suppress(DatabaseUnavailable):
        async with db.transaction() as tx:
            await queries.record_end(tx, ended)
