"""One run of a sync: read the supplier's list to its end, write what differs, record the run."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

import structlog
from structlog.contextvars import bound_contextvars

from keyshop.catalog.sync_links import relink_deleted_names
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.supplier.protocol import Supplier
from keyshop.sync import queries
from keyshop.sync.errors import SyncAlreadyRunning
from keyshop.sync.finish_run import finish_run, record_early_end
from keyshop.sync.models import Run
from keyshop.sync.read_batches import read_batches
from keyshop.sync.rules import RunKind, RunState, SyncPolicy, lock_name
from keyshop.sync.run_log import log_fields
from keyshop.sync.write_batch import write_batch

Clock = Callable[[], datetime]
Report = Callable[[Run], None]
"""Called with the run and its counts after each batch."""

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

    Valid answers are written in batches, each in a transaction of its own. A page that cannot be
    read is recorded, and changes nothing.

    Raises:
        SyncAlreadyRunning: another run of this kind is in progress, on any machine.
        DatabaseUnavailable: the connection was lost; what was written before stays.
    """
    async with db.hold_lock(lock_name(kind)) as held:
        if not held:
            raise SyncAlreadyRunning(kind)
        run = await _start_run(db, kind, now=clock())
        with bound_contextvars(operation=f"sync.{kind}", run_id=run.id):
            try:
                run = await _transfer(db, supplier, run, policy=policy, clock=clock, report=report)
            except BaseException as error:
                await record_early_end(db, run, error, now=clock())
                raise
            _log.info("sync.run_finished", **log_fields(run))
        return run


async def _start_run(db: Database, kind: RunKind, *, now: datetime) -> Run:
    run = Run(id=new_id(), kind=kind, state=RunState.RUNNING, started_at=now)
    async with db.transaction() as tx:
        interrupted = await queries.mark_interrupted(tx, kind, now=now)
        await queries.start_run(tx, run)
        if kind is RunKind.FULL:
            await queries.lock_catalogue_writes(tx)
            await relink_deleted_names(tx)
    for earlier in interrupted:
        _log.warning("sync.run_interrupted", **log_fields(earlier))
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
    async with aclosing(read_batches(supplier, kind=run.kind, policy=policy)) as batches:
        async for batch in batches:
            run = await write_batch(db, run, batch, now=clock())
            if report is not None:
                report(run)
    run = await finish_run(db, run, policy=policy, now=clock())
    if report is not None:
        report(run)
    return run
