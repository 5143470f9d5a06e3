"""Addresses for which too many wrong passwords were given, whether or not they have an account."""

from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog

from keyshop.accounts import sign_in_queries as queries
from keyshop.accounts.addresses import NormalAddress
from keyshop.accounts.jobs import MailLockNotice
from keyshop.accounts.models import Caller
from keyshop.accounts.rules import FAILURES_REMEMBERED, FAILURES_UNTIL_LOCK, lock_after
from keyshop.accounts.sign_in_queries import Lock
from keyshop.kit.database import Reader, Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue

# Until the longest one is reached.
_LOCKS: Final = [lock_after(failures) for failures in range(1, FAILURES_UNTIL_LOCK + 5)]

_AT_ONCE: Final = 10_000  # rows that one transaction forgets

_log = structlog.get_logger(__name__)


def digest_of(email: NormalAddress) -> str:
    """Return what stands for the address where it is counted."""
    return sha256(email.encode(errors="surrogatepass")).hexdigest()


async def count_failure(
    tx: Transaction, email: NormalAddress, *, user_id: str | None, caller: Caller, now: datetime
) -> None:
    """
    Count a wrong password for the address, which may lock it, and tell its owner of the first lock.

    An attempt while it is locked is written into the user's history, and counts for nothing.
    """
    failures = await queries.note_failure(
        tx,
        digest_of(email),
        user_id=user_id,
        caller=caller,
        locks=_LOCKS,
        since=now - FAILURES_REMEMBERED,
        now=now,
    )
    if failures == FAILURES_UNTIL_LOCK and user_id is not None:
        await enqueue(tx, MailLockNotice(user_id, new_id()))
        _log.warning("account.locked", user_id=user_id)


async def find_lock(reader: Reader, email: NormalAddress) -> Lock | None:
    """Return how often in a row the password was wrong; None: the last one was right."""
    return await queries.find_failures(reader, digest_of(email))


async def forget_failures(tx: Transaction, email: NormalAddress) -> bool:
    """Unlock the address; False: there were no failures."""
    return await queries.delete_failures(tx, digest_of(email))


async def forget_old_failures(tx: Transaction, before: datetime) -> int:
    """Delete rows of failures that ended before then, up to 10,000; return how many there were."""
    return await queries.delete_old_failures(tx, before=before, limit=_AT_ONCE)
