"""Close the records of runs whose process ended without closing them."""

from datetime import datetime

import structlog

from keyshop.kit.database.pool import Database
from keyshop.sync import queries
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, lock_name
from keyshop.sync.run_log import log_fields

_log = structlog.get_logger(__name__)


async def mark_interrupted_runs(db: Database, *, now: datetime) -> list[Run]:
    """Mark runs whose process is gone as interrupted, and return them."""
    interrupted: list[Run] = []
    for kind in RunKind:
        async with db.read() as reader:
            if not await queries.has_open_run(reader, kind):
                # Holding the lock for even a moment would refuse a run that starts just now.
                continue
        async with db.hold_lock(lock_name(kind)) as held:
            if held:
                async with db.transaction() as tx:
                    interrupted += await queries.mark_interrupted(tx, kind, now=now)
    for run in interrupted:
        _log.warning("sync.run_interrupted", **log_fields(run))
    return interrupted
