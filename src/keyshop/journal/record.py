"""Writes down what an operator did."""

from datetime import datetime

from keyshop.journal import queries
from keyshop.journal.models import Details
from keyshop.kit.database.transaction import Transaction


async def record(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: str,
    subject_id: str,
    details: Details,
    now: datetime,
) -> None:
    """
    Write down who did what to which thing, in the transaction that does it.

    Rows stay for good, also when a customer is erased: `details` must name nobody.
    """
    await queries.add_entry(
        tx,
        actor=actor,
        action=action,
        subject=subject,
        subject_id=subject_id,
        details=details,
        now=now,
    )
