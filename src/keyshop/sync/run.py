"""One run of a sync: read the supplier's list to its end, write what differs, record how it went."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import datetime

import structlog
from msgspec.structs import replace
from structlog.contextvars import bound_contextvars

from keyshop.catalog.sync_links import relink_deleted_names
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.supplier.protocol import Supplier
from keyshop.sync import queries
from keyshop.sync.batch import Batch
from keyshop.sync.errors import RunTakenOver, SyncAlreadyRunning
from keyshop.sync.models import PageLost, Run
from keyshop.sync.read_pages import Answer, read_pages
from keyshop.sync.rules import PAGES_LOST_IN_A_ROW, RunKind, RunState, SyncPolicy, why_incomplete
from keyshop.sync.write_batch import write_batch

Clock = Callable[[], datetime]
Report = Callable[[Run], None]

_log = structlog.get_logger(__name__)


async def run_sync(
    db: Database,
    supplier: Supplier,
    kind: RunKind,
    *,
    policy: SyncPolicy,
    clock: Clock,
    report: Report | None = None,
) -> Run:
    """
    Bring the supplier's list into the shop, and return the run's record.

    What a valid answer says is written in batches, each in a transaction of its own; a page that
    cannot be had is recorded, and changes nothing. `report` hears of every batch.

    Raises:
        SyncAlreadyRunning: a run of this kind is going on, here or on another machine.
        DatabaseUnavailable: the database went away; what was written before stays.
    """
    async with db.hold_lock(_lock_of(kind)) as held:
        if not held:
            raise SyncAlreadyRunning(kind)
        run = await _start(db, kind, now=clock())
        with bound_contextvars(operation=f"sync.{kind}", run_id=run.id):
            try:
                run = await _transfer(db, supplier, run, policy=policy, clock=clock, report=report)
            except BaseException as error:
                await _record_end_by(db, run, error, now=clock())
                raise
            _log.info("sync.run_finished", **_facts(run))
        return run


async def mark_interrupted_runs(db: Database, *, now: datetime) -> list[Run]:
    """Declare runs whose process is gone interrupted, and return them."""
    settled: list[Run] = []
    for kind in RunKind:
        async with db.read() as reader:
            if not await queries.has_open_run(reader, kind):
                # Even a moment under the lock would turn a run away that starts just now.
                continue
        async with db.hold_lock(_lock_of(kind)) as held:
            if held:
                async with db.transaction() as tx:
                    settled += await queries.interrupt_runs(tx, kind, now=now)
    for run in settled:
        _log.warning("sync.run_interrupted", **_facts(run))
    return settled


def _lock_of(kind: RunKind) -> str:
    return f"keyshop.sync.{kind}"


async def _start(db: Database, kind: RunKind, *, now: datetime) -> Run:
    run = Run(id=new_id(), kind=kind, state=RunState.RUNNING, started_at=now)
    async with db.transaction() as tx:
        interrupted = await queries.interrupt_runs(tx, kind, now=now)
        await queries.start_run(tx, run)
        if kind is RunKind.FULL:
            await queries.lock_writing(tx)
            await relink_deleted_names(tx)
    for earlier in interrupted:
        _log.warning("sync.run_interrupted", **_facts(earlier))
    _log.info("sync.run_started", run_id=run.id, kind=kind)
    return run


async def _transfer(
    db: Database,
    supplier: Supplier,
    run: Run,
    *,
    policy: SyncPolicy,
    clock: Clock,
    report: Report | None,
) -> Run:
    answers = stop_after_lost_pages(
        read_pages(supplier, last_page=policy.last_page, at_once=policy.pages_at_once)
    )
    batches = _batches(answers, run.kind, policy)
    writing = asyncio.create_task(_as_it_is(run))
    try:
        async for batch in batches:
            # One batch is read while the one before it is written, and nothing beyond.
            run = await writing
            writing = asyncio.create_task(_write(db, run, batch, now=clock(), report=report))
        run = await _finish(db, await writing, policy=policy, now=clock())
    finally:
        await batches.aclose()
        await _give_up(writing)
    if report is not None:
        report(run)
    return run


async def _as_it_is(run: Run) -> Run:
    return run


async def _write(
    db: Database, run: Run, batch: Batch, *, now: datetime, report: Report | None
) -> Run:
    run = await write_batch(db, run, batch, now=now)
    if report is not None:
        report(run)
    return run


async def _give_up(writing: asyncio.Task[Run]) -> None:
    """Stop a batch that is being written, and wait until it is rolled back."""
    writing.cancel()
    await asyncio.wait([writing])


async def _batches(
    answers: AsyncGenerator[Answer, None], kind: RunKind, policy: SyncPolicy
) -> AsyncGenerator[Batch, None]:
    """Yield the answers in batches; the last one may hold little, or nothing."""
    batch = Batch(kind, policy)
    async with aclosing(answers):
        async for answer in answers:
            batch.add(answer)
            if batch.is_full:
                yield batch
                batch = Batch(kind, policy)
    yield batch


async def stop_after_lost_pages(
    answers: AsyncGenerator[Answer, None],
) -> AsyncGenerator[Answer, None]:
    """Pass the answers on until so many in a row are lost that the supplier must be away."""
    in_a_row = 0
    async with aclosing(answers):
        async for answer in answers:
            _heed_cancellation()
            in_a_row = in_a_row + 1 if isinstance(answer, PageLost) else 0
            yield answer
            if in_a_row >= PAGES_LOST_IN_A_ROW:
                return


def _heed_cancellation() -> None:
    """Stop when told to, even if a call on the way lost the word and answered all the same."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _finish(db: Database, run: Run, *, policy: SyncPolicy, now: datetime) -> Run:
    """Compare what was answered with what the supplier counts, and close the record."""
    async with db.transaction() as tx:
        # A run of the other kind may write or finish now: the same rows in another order.
        await queries.lock_writing(tx)
        reason = why_incomplete(
            total=run.total,
            answered=await queries.count_answered(tx, run.id),
            pages=run.pages,
            pages_failed=run.pages_failed,
            last_page=policy.last_page,
        )
        ended = replace(
            run,
            state=RunState.COMPLETE if reason is None else RunState.INCOMPLETE,
            finished_at=now,
            unseen=await queries.count_unseen(tx, run.id) if run.total is not None else None,
            reason=reason,
        )
        if reason is None:
            await _settle_absent(tx, ended)
        await queries.forget_seen(tx, ended)
        if not await queries.finish_run(tx, ended):
            raise RunTakenOver(run.kind)
    return ended


async def _settle_absent(tx: Transaction, run: Run) -> None:
    """Draw conclusions from what a complete run did not see; games are left as they are."""
    await queries.record_missing(tx, run)
    if run.kind is RunKind.FULL:
        await queries.release_quarantine(tx, since=run.started_at)


async def _record_end_by(db: Database, run: Run, error: BaseException, *, now: datetime) -> None:
    """Close the record of a run that an error ended, as far as the database can be had."""
    stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
    ended = replace(
        run,
        state=RunState.INTERRUPTED if stopped else RunState.FAILED,
        finished_at=now,
        reason="It was stopped; what it wrote stays."
        if stopped
        else f"It ended with a fault of the shop's own ({type(error).__name__}); see the log.",
    )
    _log.warning("sync.run_ended_early", **_facts(ended))
    # The next start finds the open record and closes it.
    with suppress(DatabaseUnavailable):
        async with db.transaction() as tx:
            await queries.finish_run(tx, ended)


def _facts(run: Run) -> dict[str, object]:
    """Return what a log line says of a run."""
    ended = run.finished_at or run.started_at
    return {
        "run_id": run.id,
        "kind": run.kind,
        "outcome": run.state,
        "reason": run.reason,
        "seconds": round((ended - run.started_at).total_seconds(), 3),
        "total": run.total,
        "pages": run.pages,
        "pages_failed": run.pages_failed,
        "products": run.products,
        "rejected": run.rejected,
        "added": run.added,
        "updated": run.updated,
        "unseen": run.unseen,
    }
