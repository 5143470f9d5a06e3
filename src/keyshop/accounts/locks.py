"""Addresses for which too many wrong passwords were given, whether or not they have an account."""

from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog

from keyshop.accounts import sign_in_queries as queries
from keyshop.accounts.addresses import NormalAddress, counted_as
from keyshop.accounts.jobs import MailLockNotice
from keyshop.accounts.models import Caller
from keyshop.accounts.rules import FAILURES_REMEMBERED, FAILURES_UNTIL_LOCK, lock_after
from keyshop.accounts.sign_in_queries import Gate, Lock
from keyshop.kit.database import Database, Reader, Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue

# Until the longest one is reached.
_LOCKS: Final = [lock_after(failures) for failures in range(1, FAILURES_UNTIL_LOCK + 5)]

_AT_ONCE: Final = 10_000  # rows that one transaction forgets

_log = structlog.get_logger(__name__)


def digest_of(email: NormalAddress) -> str:
    """Return what stands for the address, as it was asked with or as it is stored."""
    return sha256(counted_as(email).encode(errors="surrogatepass")).hexdigest()


async def find_gate(reader: Reader, email: NormalAddress, *, now: datetime) -> Gate:
    """Return whether somebody may try a password for the address now."""
    return await queries.find_gate(
        reader,
        digest_of(email),
        harmless=FAILURES_UNTIL_LOCK - 1,
        since=now - FAILURES_REMEMBERED,
        now=now,
    )


async def book_failure(db: Database, email: NormalAddress, *, now: datetime) -> int | None:
    """
    Count a wrong password before it is looked at, and return the how manieth it is.

    None: the address is locked, maybe since this moment. Where a wrong password locks, all who come
    before it is found wrong would have an attempt of their own.
    """
    async with db.transaction() as tx:
        return await queries.book_failure(tx, digest_of(email), locks=_LOCKS, now=now)


async def unbook_failure(db: Database, email: NormalAddress, failures: int) -> None:
    """Take back what was counted in advance: nobody has looked at the password."""
    async with db.transaction() as tx:
        await queries.unbook_failure(tx, digest_of(email), failures=failures)


async def count_failure(
    tx: Transaction,
    email: NormalAddress,
    *,
    user_id: str | None,
    booked: int | None,
    caller: Caller,
    now: datetime,
) -> None:
    """
    Count a wrong password for the address, which may lock it, and tell its owner of the first lock.

    One that was counted in advance (`booked`: the how manieth) is only written down.
    """
    failures = booked
    if booked is not None:
        await queries.note_booked(tx, user_id=user_id, caller=caller, now=now)
    else:
        failures = await _count(tx, email, user_id=user_id, caller=caller, now=now)
    if failures == FAILURES_UNTIL_LOCK and user_id is not None:
        await enqueue(tx, MailLockNotice(user_id, new_id()))
        _log.warning("account.locked", user_id=user_id)


async def _count(
    tx: Transaction, email: NormalAddress, *, user_id: str | None, caller: Caller, now: datetime
) -> int | None:
    return await queries.note_failure(
        tx,
        digest_of(email),
        user_id=user_id,
        caller=caller,
        locks=_LOCKS,
        since=now - FAILURES_REMEMBERED,
        now=now,
    )


async def find_lock(reader: Reader, email: NormalAddress) -> Lock | None:
    """Return how often in a row the password was wrong; None: the last one was right."""
    return await queries.find_failures(reader, digest_of(email))


async def forget_failures(tx: Transaction, email: NormalAddress) -> bool:
    """Unlock the address; False: there were no failures."""
    return await queries.delete_failures(tx, digest_of(email))


async def forget_old_failures(tx: Transaction, before: datetime) -> int:
    """Delete rows of failures that ended before then, up to 10,000; return how many there were."""
    return await queries.delete_old_failures(tx, before=before, limit=_AT_ONCE)
