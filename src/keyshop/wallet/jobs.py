"""Jobs that the schedule enqueues: unpaid top-ups may have expired."""

from datetime import datetime
from typing import ClassVar

from keyshop.kit.jobs import Job


class TopUpExpiryDue(Job, frozen=True):
    """Unpaid top-ups are to be looked through."""

    name: ClassVar[str] = "wallet.expire_due"
    due_at: datetime
