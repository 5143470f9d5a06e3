"""The hourly job that deletes expired rows, without which some tables would grow for ever."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final, TypeAlias

import structlog

from keyshop.accounts.email_tokens.tokens import delete_expired_email_tokens
from keyshop.accounts.lockout.failures import delete_old_failures
from keyshop.accounts.lockout.rules import FAILURE_TTL
from keyshop.accounts.sessions.families import delete_expired_families
from keyshop.baskets.delete_expired_sessions import delete_expired_sessions
from keyshop.entrypoints.worker.handlers import Handler, handler
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.jobs import Job, delete_expired_job_log
from keyshop.kit.limits import delete_expired_limits
from keyshop.kit.schedule_ticks import delete_expired_ticks
from keyshop.mail.send_once import delete_old_sent_mails
from keyshop.orders.queries import delete_expired_claims
from keyshop.sync.queries import delete_old_runs
from keyshop.wallet.expire_top_ups import delete_unpaid_top_ups

# A transaction that deletes several games locks lines of baskets in another order than this job.
_MAX_ATTEMPTS: Final = 5

_log = structlog.get_logger(__name__)

# For a day, an expired token is still refused as expired and not as unknown.
_EMAIL_TOKEN_RETENTION: Final = timedelta(days=1)
# Longer than a mail is retried, and longer than a dead letter should wait for an operator.
_SENT_MAIL_RETENTION: Final = timedelta(days=30)

_SYNC_RUN_RETENTION: Final = timedelta(days=90)
_TOP_UP_RETENTION: Final = timedelta(days=90)
_QUEUE_RETENTION: Final = timedelta(days=14)

_DeleteBatch: TypeAlias = Callable[[Transaction, datetime], Awaitable[int]]


class CleanupDue(Job, frozen=True):
    """It is time to delete expired rows."""

    name: ClassVar[str] = "tidy"  # stored under its old name
    due_at: datetime


async def on_cleanup_due(shop: WorkerShop, job: CleanupDue) -> None:
    """Delete the rows that had expired when the job was due, each batch in its own transaction."""
    counts = {
        name: await _delete_all(shop, delete_batch, job.due_at)
        for name, delete_batch in _CLEANUPS.items()
    }
    # Logged under its old name, which operators search for.
    _log.info("tidied", operation=job.name, **counts)


async def _delete_all(shop: WorkerShop, delete_batch: _DeleteBatch, now: datetime) -> int:
    total = 0
    while True:
        deleted = await shop.db.run(lambda tx: delete_batch(tx, now), attempts=_MAX_ATTEMPTS)
        if not deleted:
            return total
        total += deleted


_CLEANUPS: Final[dict[str, _DeleteBatch]] = {
    "sessions": lambda tx, now: delete_expired_sessions(tx, now=now),
    "token_families": delete_expired_families,
    "rate_limits": delete_expired_limits,
    "email_tokens": lambda tx, now: delete_expired_email_tokens(tx, now - _EMAIL_TOKEN_RETENTION),
    "failures": lambda tx, now: delete_old_failures(tx, now - FAILURE_TTL),
    "sent_mails": lambda tx, now: delete_old_sent_mails(tx, now - _SENT_MAIL_RETENTION),
    "sync_runs": lambda tx, now: delete_old_runs(tx, now - _SYNC_RUN_RETENTION),
    "top_ups": lambda tx, now: delete_unpaid_top_ups(tx, before=now - _TOP_UP_RETENTION),
    "ticks": lambda tx, now: delete_expired_ticks(tx, before=now - _QUEUE_RETENTION),
    "idempotency": lambda tx, now: delete_expired_claims(tx, now=now),
    "job_log": lambda tx, now: delete_expired_job_log(tx, before=now - _QUEUE_RETENTION),
}

HANDLERS: Final[tuple[Handler, ...]] = (handler(CleanupDue, on_cleanup_due),)
