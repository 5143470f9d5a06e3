"""
Which mails went out: a job that runs again finds its own here and sends nothing.

A mail server that took a mail and a database that is told of it are two; between them a process can
die. Such a mail goes out again, under the same id.
"""

from datetime import datetime
from typing import Final

from keyshop.kit.database import Database, Transaction
from keyshop.kit.mail import Mail, Mailer

_IS_SENT: Final = "SELECT EXISTS (SELECT FROM keyshop.sent_mails WHERE id = $1)"

_RECORD: Final = """
    INSERT INTO keyshop.sent_mails (id, sent_at) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""

_FORGET: Final = """
    DELETE FROM keyshop.sent_mails WHERE id IN (
        SELECT id FROM keyshop.sent_mails WHERE sent_at < $1 ORDER BY sent_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
"""

_AT_ONCE: Final = 10_000  # rows that one transaction forgets


async def send_once(db: Database, mailer: Mailer, mail: Mail, *, now: datetime) -> bool:
    """
    Send the mail and record it, unless that was done; tell whether it was sent now.

    Raises:
        MailRefused: it will never be taken.
        MailUnavailable: trying again may help.
    """
    async with db.read() as reader:
        if await reader.fetchval(_IS_SENT, mail.id):
            return False
    await mailer.send(mail)
    async with db.transaction() as tx:
        await tx.execute(_RECORD, mail.id, now)
    return True


async def forget_sent_mails(tx: Transaction, before: datetime) -> int:
    """Delete the record of mails sent before then, up to 10,000; return how many there were."""
    return await tx.execute(_FORGET, before, _AT_ONCE)
