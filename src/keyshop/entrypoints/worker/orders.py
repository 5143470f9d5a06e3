"""Handlers of the jobs of orders."""

from typing import Final

import structlog

from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.clock import utc_now
from keyshop.orders.jobs import OrphansDue
from keyshop.orders.refund_orphans import refund_orphans

_log = structlog.get_logger(__name__)


async def on_orphans_due(shop: WorkerShop, job: OrphansDue) -> None:
    """Refund what other programs' deletions left; by the clock of now, since the job may be late."""
    refunded = await refund_orphans(shop.db, now=utc_now())
    if refunded:
        _log.warning("orders.orphans_refunded", operation=job.name, units=refunded)


HANDLERS: Final[tuple[Handler, ...]] = (handler(OrphansDue, on_orphans_due),)
