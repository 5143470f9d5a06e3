"""Jobs that the schedule enqueues: a sync is due."""

from datetime import datetime
from typing import ClassVar

from keyshop.kit.jobs import Job


class SyncFullDue(Job, frozen=True):
    """A full sync of the supplier's catalogue is due."""

    name: ClassVar[str] = "sync.full_due"
    due_at: datetime


class StockCheckDue(Job, frozen=True):
    """A check of the supplier's prices and stock is due."""

    name: ClassVar[str] = "sync.stock_due"
    due_at: datetime
