"""
The record of sent mails: a job that runs again finds its mail here and sends nothing.

If the process dies after the mail server has accepted a mail and before the database has recorded
it, the mail is sent again, under the same id.
"""

import asyncio
from datetime import datetime
from typing import Final

from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.mail.protocol import Mail, Mailer, MailMaybeSent, MailUncertain

_IS_SENT: Final = """
    SELECT EXISTS (SELECT FROM keyshop.sent_mails WHERE id = $1 AND unanswered = 0)
"""

_RECORD: Final = """
    INSERT INTO keyshop.sent_mails (id, sent_at) VALUES ($1, $2)
    ON CONFLICT (id) DO UPDATE SET sent_at = excluded.sent_at, unanswered = 0
"""

_RECORD_UNANSWERED: Final = """
    INSERT INTO keyshop.sent_mails AS mail (id, sent_at, unanswered) VALUES ($1, $2, 1)
    ON CONFLICT (id) DO UPDATE SET sent_at = excluded.sent_at, unanswered = mail.unanswered + 1
    RETURNING unanswered
"""

_DELETE_OLD: Final = """
    DELETE FROM keyshop.sent_mails WHERE id = ANY(ARRAY(
        SELECT id FROM keyshop.sent_mails WHERE sent_at < $1 ORDER BY sent_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
"""

_BATCH_SIZE: Final = 10_000  # rows
_MAX_UNANSWERED: Final = 2

# How long a cancelled job waits for a mail that is being sent, in seconds. Soon afterwards another
# worker may have the job, and send the mail again.
_CANCEL_GRACE: Final = 2.0


async def send_once(db: Database, mailer: Mailer, mail: Mail, *, now: datetime) -> bool:
    """
    Send the mail and record it, unless that was done; return whether it was sent now.

    On cancellation, a mail that is being sent has two seconds to be accepted and recorded.

    Raises:
        MailRefused: it will never be accepted.
        MailMaybeSent: the server received it twice and never confirmed it.
        MailUnavailable: a retry may help.
    """
    async with db.read() as reader:
        if await reader.fetchval(_IS_SENT, mail.id):
            return False
    sending = asyncio.create_task(_send_and_record(db, mailer, mail, now=now))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        await asyncio.wait({sending}, timeout=_CANCEL_GRACE)
        sending.cancel()
        await asyncio.wait({sending})
        raise
    return True


async def _send_and_record(db: Database, mailer: Mailer, mail: Mail, *, now: datetime) -> None:
    try:
        await mailer.send(mail)
    except MailUncertain:
        async with db.transaction() as tx:
            unanswered = await tx.fetchval(_RECORD_UNANSWERED, mail.id, now)
        if unanswered < _MAX_UNANSWERED:
            raise
        raise MailMaybeSent from None
    async with db.transaction() as tx:
        await tx.execute(_RECORD, mail.id, now)


async def delete_old_sent_mails(tx: Transaction, before: datetime) -> int:
    """Delete the record of mails sent before then, up to 10,000; return how many were deleted."""
    return await tx.execute(_DELETE_OLD, before, _BATCH_SIZE)
