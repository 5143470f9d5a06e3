"""The hourly audit of money, orders and keys."""

from datetime import datetime
from typing import ClassVar, Final

from keyshop.drift.audit import audit
from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.jobs import Job


class AuditDue(Job, frozen=True):
    """It is time to audit the shop."""

    name: ClassVar[str] = "audit"
    due_at: datetime


async def on_audit_due(shop: WorkerShop, _job: AuditDue) -> None:
    """Audit the shop; violations are in the log and the metrics."""
    await audit(shop.db)


HANDLERS: Final[tuple[Handler, ...]] = (handler(AuditDue, on_audit_due, is_slow=True),)
