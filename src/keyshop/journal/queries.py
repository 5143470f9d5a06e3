"""All SQL of the journal."""

from datetime import datetime
from typing import Final

import msgspec

from keyshop.journal.models import Details, Entry, Subject
from keyshop.kit.database.transaction import Reader, Transaction

_ADD: Final = """
    INSERT INTO keyshop.journal (happened_at, actor, action, subject, subject_id, details)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb)
"""
_LIST: Final = """
    SELECT happened_at, actor, action, details FROM keyshop.journal
    WHERE subject = $1 AND subject_id = $2 ORDER BY id DESC LIMIT $3
"""


async def add_entry(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    subject: Subject,
    details: Details,
    now: datetime,
) -> None:
    encoded = msgspec.json.encode(details).decode()
    await tx.execute(_ADD, now, actor, action, subject.kind, subject.id, encoded)


async def list_entries(reader: Reader, subject: Subject, *, limit: int = 50) -> list[Entry]:
    """Return the newest entries about the subject, the latest first."""
    return [
        msgspec.convert({**record, "details": msgspec.json.decode(record["details"])}, type=Entry)
        for record in await reader.fetch(_LIST, subject.kind, subject.id, limit)
    ]
