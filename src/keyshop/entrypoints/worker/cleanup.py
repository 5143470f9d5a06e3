"""The job that forgets what is over: the tables of visits would grow for ever."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final

import structlog

from keyshop.accounts.email_tokens.tokens import delete_expired_email_tokens
from keyshop.accounts.lockout.failures import delete_old_failures
from keyshop.accounts.sessions.families import delete_expired_families
from keyshop.baskets.delete_expired_sessions import delete_expired_sessions
from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import Job
from keyshop.kit.limits import delete_expired_limits
from keyshop.mail.send_once import delete_old_sent_mails

# Whoever deletes several games takes lines of sessions in an order of its own.
_ATTEMPTS: Final = 5

_log = structlog.get_logger(__name__)

# A proof that is over still tells "expired" from "never existed", a day long.
_PROOFS_KEPT: Final = timedelta(days=1)
_FAILURES_KEPT: Final = timedelta(days=1)
# Longer than any job of a mail stays in the queue by itself, and than a dead letter should.
_SENT_MAILS_KEPT: Final = timedelta(days=30)


class TidyDue(Job, frozen=True):
    """It is time to forget what is over."""

    name: ClassVar[str] = "tidy"
    due_at: datetime


async def on_tidy_due(shop: WorkerShop, job: TidyDue) -> None:
    """Forget what was over when the job was due, in batches that nobody has to wait for."""
    counts = {name: await _all(shop, forget, job.due_at) for name, forget in _FORGETTING.items()}
    _log.info("tidied", operation=job.name, **counts)


async def _all(
    shop: WorkerShop, forget: Callable[[Transaction, datetime], Awaitable[int]], now: datetime
) -> int:
    total = 0
    while True:
        forgotten = await shop.db.run(lambda tx: forget(tx, now), attempts=_ATTEMPTS)
        if not forgotten:
            return total
        total += forgotten


_FORGETTING: Final[dict[str, Callable[[Transaction, datetime], Awaitable[int]]]] = {
    "sessions": lambda tx, now: delete_expired_sessions(tx, now=now),
    "token_families": delete_expired_families,
    "rate_limits": delete_expired_limits,
    "proofs": lambda tx, now: delete_expired_email_tokens(tx, now - _PROOFS_KEPT),
    "failures": lambda tx, now: delete_old_failures(tx, now - _FAILURES_KEPT),
    "sent_mails": lambda tx, now: delete_old_sent_mails(tx, now - _SENT_MAILS_KEPT),
}

HANDLERS: Final[tuple[Handler, ...]] = (handler(TidyDue, on_tidy_due),)
