"""Add an entry to the journal."""

from datetime import datetime

from keyshop.journal import queries
from keyshop.journal.models import Details, Subject
from keyshop.kit.database.transaction import Transaction


async def record(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: Subject,
    details: Details | None = None,
    now: datetime,
) -> None:
    """
    Record an action in the transaction that carries it out.

    Entries are never deleted, not even when a customer is erased: `details` must not identify a
    person.
    """
    await queries.add_entry(
        tx, actor=actor, action=action, subject=subject, details=details or {}, now=now
    )
