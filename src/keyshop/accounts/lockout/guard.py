"""The one guard of every password check: limits, the lock, and the count of failures."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog
from msgspec import Struct

from keyshop.accounts.jobs import MailLockNotice
from keyshop.accounts.lockout import queries
from keyshop.accounts.lockout.errors import AttemptInProgress, Locked
from keyshop.accounts.lockout.models import FailureCounter, LockoutState
from keyshop.accounts.lockout.rules import FAILURE_TTL, MAX_FAILURES, lock_duration
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.passwords import PasswordsBusy, TooManyPasswords
from keyshop.accounts.rules import SIGN_INS_PER_CLIENT, client_key
from keyshop.kit.client_limits import refund_client, take_for_client
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import Limit, refund, take

# `_LOCKS[n - 1]` follows the nth failure; the last one is the longest.
_LOCKS: Final = [lock_duration(failures) for failures in range(1, MAX_FAILURES + 5)]

_RESERVATION_TTL: Final = timedelta(seconds=30)
"""A reservation that is older belongs to a process that has crashed."""

CountFailure: TypeAlias = Callable[[], Awaitable[None]]
"""Counts the wrong password."""

_log = structlog.get_logger(__name__)


class PasswordAttempt(Struct, frozen=True, kw_only=True):
    """An attempt at a password, and what limits and counts it."""

    client_info: ClientInfo
    user_id: str | None
    """The account that was found, which all of the attempt is about; None: there is none."""

    counter: FailureCounter
    limit: Limit
    """Taken besides the client's; a right password gets it back."""

    limit_key: str
    delay: Callable[[], Awaitable[None]] | None = None
    """Waits as long as a wrong password takes, when locked; None: the caller may see the lock."""

    @property
    def client(self) -> str:
        """The key of the client in limits and in the queue of passwords."""
        return client_key(self.client_info.address)


@asynccontextmanager
async def attempt_under_lockout(
    db: Database,
    client_info: ClientInfo,
    describe: Callable[[], Awaitable[PasswordAttempt]],
    *,
    now: datetime,
) -> AsyncIterator[tuple[PasswordAttempt, CountFailure]]:
    """
    Let the block verify a password, unless a limit or a lock refuses it.

    The block gets the attempt and a function, which it calls when the password is wrong. When the
    next failure locks, it is reserved before the block runs; otherwise parallel attempts would all
    be verified. When the block ends without a failure, in whatever way, the reservation is released.

    `describe` may need an expensive read, so it is called once the client's limit is taken.

    Raises:
        TooMany: a limit is reached.
        Locked: there were too many wrong passwords in a row.
        AttemptInProgress: another attempt has reserved the failure that locks.
    """
    await take_for_client(db, SIGN_INS_PER_CLIENT, client_key(client_info.address), now=now)
    attempt = await describe()
    await take(db, attempt.limit, attempt.limit_key, now=now)
    try:
        async with _failure_reserved(db, attempt, now=now) as count_failure:
            yield attempt, count_failure
    except (PasswordsBusy, TooManyPasswords):
        # The password was not verified.
        with suppress(DatabaseUnavailable):
            await refund_client(db, SIGN_INS_PER_CLIENT, attempt.client)
        await _refund(db, attempt.limit, attempt.limit_key)
        raise
    # The client's limit stays taken: the right password has cost as much time as a wrong one.
    await _refund(db, attempt.limit, attempt.limit_key)


@asynccontextmanager
async def _failure_reserved(
    db: Database, attempt: PasswordAttempt, *, now: datetime
) -> AsyncIterator[CountFailure]:
    reserved = await _reserve(db, attempt, now=now)
    is_counted = False

    async def count_failure() -> None:
        nonlocal is_counted
        async with db.transaction() as tx:
            await _count(tx, attempt, reserved=reserved, now=now)
        is_counted = True

    try:
        yield count_failure
    except BaseException:
        if reserved is not None and not is_counted:
            await _release(db, attempt.counter, reserved)
        raise


async def _reserve(db: Database, attempt: PasswordAttempt, *, now: datetime) -> int | None:
    """Return the number of the failure that was reserved; None: the next one does not lock."""
    state = await _get_state(db, attempt.counter, now=now)
    if state.is_reserved:
        raise AttemptInProgress
    if state.locked_until is not None:
        if attempt.delay is not None:
            await attempt.delay()
        raise Locked(seconds=(state.locked_until - now).total_seconds())
    if not state.locks_next:
        return None
    async with db.transaction() as tx:
        reserved = await queries.reserve_failure(tx, attempt.counter, locks=_LOCKS, now=now)
    if reserved is None:
        raise AttemptInProgress
    return reserved


async def _get_state(db: Database, counter: FailureCounter, *, now: datetime) -> LockoutState:
    async with db.read() as reader:
        return await queries.get_lockout_state(
            reader,
            counter,
            failures_without_lock=MAX_FAILURES - 1,
            failures_since=now - FAILURE_TTL,
            reservations_since=now - _RESERVATION_TTL,
            now=now,
        )


async def _count(
    tx: Transaction, attempt: PasswordAttempt, *, reserved: int | None, now: datetime
) -> None:
    failures, user_id = reserved, attempt.user_id
    if reserved is None:
        failures = await _record(tx, attempt, now=now)
    else:
        await queries.confirm_reserved(
            tx, attempt.counter, user_id=user_id, client_info=attempt.client_info, now=now
        )
    if failures is None or failures < MAX_FAILURES:
        return
    # One notice for consecutive failures, however many locks they cause.
    if await queries.claim_notice(tx, attempt.counter) and user_id is not None:
        await enqueue(tx, MailLockNotice(user_id, new_id()))
        _log.warning("account.locked", user_id=user_id)


async def _record(tx: Transaction, attempt: PasswordAttempt, *, now: datetime) -> int | None:
    return await queries.record_failure(
        tx,
        attempt.counter,
        user_id=attempt.user_id,
        client_info=attempt.client_info,
        locks=_LOCKS,
        failures_since=now - FAILURE_TTL,
        now=now,
    )


async def _release(db: Database, counter: FailureCounter, reserved: int) -> None:
    with suppress(DatabaseUnavailable):
        async with db.transaction() as tx:
            await queries.release_failure(tx, counter, failures=reserved)


async def _refund(db: Database, limit: Limit, limit_key: str) -> None:
    # A lost refund must not refuse a customer who has the right password.
    with suppress(DatabaseUnavailable):
        await refund(db, limit, limit_key)
