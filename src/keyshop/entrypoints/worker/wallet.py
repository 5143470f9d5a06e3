"""Handlers of the wallet's jobs."""

from typing import Final

import structlog

from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.wallet.expire_top_ups import expire_top_ups
from keyshop.wallet.jobs import TopUpExpiryDue

_log = structlog.get_logger(__name__)


async def on_top_up_expiry_due(shop: WorkerShop, job: TopUpExpiryDue) -> None:
    """Let the top-ups expire that were unpaid for too long, each batch in its own transaction."""
    total = 0
    while True:
        async with shop.db.transaction() as tx:
            expired = await expire_top_ups(tx, now=job.due_at)
        if not expired:
            break
        total += expired
    if total:
        _log.info("top_ups.expired", number=total)


HANDLERS: Final[tuple[Handler, ...]] = (handler(TopUpExpiryDue, on_top_up_expiry_due),)
