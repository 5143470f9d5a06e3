"""Handlers of sync jobs: the only place where the schedule reaches the supplier's catalogue."""

from typing import Final

import structlog

from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.errors import Conflict
from keyshop.sync.jobs import StockCheckDue, SyncFullDue

_log = structlog.get_logger(__name__)


async def on_full_sync_due(shop: WorkerShop, job: SyncFullDue) -> None:
    """Run a full sync, unless one is running already."""
    try:
        await shop.run_full_sync()
    except Conflict as conflict:
        # The other run reads the same catalogue, so this one has nothing to do.
        _log.info("skipped", operation=job.name, due_at=job.due_at, reason=str(conflict))


async def on_stock_check_due(shop: WorkerShop, job: StockCheckDue) -> None:
    """Run a stock check, unless one is running already."""
    try:
        await shop.run_stock_check()
    except Conflict as conflict:
        _log.info("skipped", operation=job.name, due_at=job.due_at, reason=str(conflict))


HANDLERS: Final[tuple[Handler, ...]] = (
    handler(SyncFullDue, on_full_sync_due),
    handler(StockCheckDue, on_stock_check_due),
)
