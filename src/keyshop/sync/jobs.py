"""Messages to the worker: the clock says that the supplier should be asked."""

from datetime import datetime
from typing import ClassVar

from keyshop.kit.jobs import Job


class SyncFullDue(Job, frozen=True):
    """It is time to read the supplier's whole catalogue."""

    name: ClassVar[str] = "sync.full_due"
    due_at: datetime


class StockCheckDue(Job, frozen=True):
    """It is time to look at the supplier's prices and stock."""

    name: ClassVar[str] = "sync.stock_due"
    due_at: datetime
