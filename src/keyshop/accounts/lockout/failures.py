"""
Addresses for which too many wrong passwords were given, whether or not they have an account.

Those of strangers are counted together, from wherever they come. A client from which the account was
signed in to before has a series of its own: strangers cannot lock the owner out there, and nobody can
guess faster for it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from typing import Final

import structlog

from keyshop.accounts.addresses import (
    NormalAddress,
    counted_as,
    normalise,
    parse_sign_in_email,
    spellings,
)
from keyshop.accounts.errors import PasswordInvalid, WrongCredentials
from keyshop.accounts.jobs import MailLockNotice
from keyshop.accounts.lockout import queries
from keyshop.accounts.lockout.queries import FailureCounter, Lock, LockoutState
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import (
    CLIENTS_REMEMBERED,
    FAILURES_REMEMBERED,
    MAX_FAILURES,
    SIGN_IN_OF_ADDRESS,
    client_key,
    lock_after,
)
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.errors import TooMany
from keyshop.kit.ids import new_id
from keyshop.kit.jobs import enqueue
from keyshop.kit.limits import forget_who

# Until the longest one is reached.
_LOCKS: Final = [lock_after(failures) for failures in range(1, MAX_FAILURES + 5)]

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = 10_000  # rows that one transaction forgets
_A_LOOK: Final = 1.0  # seconds until a password that is being looked at should be known
_MAX_LOOK: Final = timedelta(seconds=30)  # after it, whoever looked has crashed

_log = structlog.get_logger(__name__)


class Locked(TooMany):
    """There were too many wrong passwords in a row."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(
            "Too many wrong passwords. Please wait and try again.", retry_after=max(seconds, 1.0)
        )


class AttemptInProgress(TooMany):
    """Another password for the same is being looked at, and whether it locks hangs on that."""

    def __init__(self) -> None:
        super().__init__(
            "Too many attempts at once. Please wait a moment and try again.", retry_after=_A_LOOK
        )


def digest_of(email: NormalAddress) -> str:
    """Return what stands for the address, as it was asked with or as it is stored."""
    return _digest(counted_as(email))


async def find_counter(
    reader: Reader, written: str, caller: ClientInfo, *, now: datetime
) -> FailureCounter:
    """Return what counts the caller's wrong passwords for an address: with all strangers, or apart."""
    address, client = digest_of(parse_sign_in_email(written)), client_key(caller.address)
    known = await queries.list_clients(reader, spellings(written), since=now - CLIENTS_REMEMBERED)
    if client in map(client_key, known):
        return FailureCounter(address, _digest_of_client(client))
    return FailureCounter(address)


def limited_as(email: str, client: str) -> str:
    """Return for whom SIGN_IN_OF_ADDRESS counts: all strangers, or a series' client."""
    return f"{email} {client}" if client else email


def counter_of_device(email: NormalAddress, family_id: str) -> FailureCounter:
    """Return what counts the wrong passwords of somebody who is signed in on this device."""
    return FailureCounter(digest_of(email), _digest(f"device {family_id}"))


@asynccontextmanager
async def attempt(
    db: Database, counter: FailureCounter, *, now: datetime
) -> AsyncIterator[int | None]:
    """
    Let a password be looked at inside the block, which counts it when it is wrong.

    Where a wrong one locks, it is counted before it is looked at, or all who come meanwhile would
    have an attempt of their own: the block is given the how manieth it is. However else the block
    ends, that is taken back.

    Raises:
        Locked: there were too many wrong ones.
        AttemptInProgress: another one has been counted in advance.
    """
    async with db.read() as reader:
        state = await _find_lockout_state(reader, counter, now=now)
    if state.is_reserved:
        raise AttemptInProgress
    if state.locked_until is not None:
        raise Locked(seconds=(state.locked_until - now).total_seconds())
    reserved = None
    if state.locks_next:
        async with db.transaction() as tx:
            reserved = await queries.reserve_failure(tx, counter, locks=_LOCKS, now=now)
        if reserved is None:
            raise AttemptInProgress
    try:
        yield reserved
    except (WrongCredentials, PasswordInvalid):
        raise
    except BaseException:
        if reserved is not None:
            await _release(db, counter, reserved)
        raise


async def _find_lockout_state(
    reader: Reader, counter: FailureCounter, *, now: datetime
) -> LockoutState:
    return await queries.find_lockout_state(
        reader,
        counter,
        harmless=MAX_FAILURES - 1,
        since=now - FAILURES_REMEMBERED,
        reserved_since=now - _MAX_LOOK,
        now=now,
    )


async def _release(db: Database, counter: FailureCounter, failures: int) -> None:
    with suppress(DatabaseUnavailable):
        async with db.transaction() as tx:
            await queries.release_failure(tx, counter, failures=failures)


async def count_failure(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    reserved: int | None,
    caller: ClientInfo,
    now: datetime,
) -> None:
    """
    Count a wrong password, which may lock, and tell the account's owner once of a series that does.

    One that was counted in advance (`reserved`: the how manieth) is only written down.
    """
    failures = reserved
    if reserved is not None:
        await queries.confirm_reserved(tx, counter, user_id=user_id, caller=caller, now=now)
    else:
        failures = await _count(tx, counter, user_id=user_id, caller=caller, now=now)
    if failures is None or failures < MAX_FAILURES:
        return
    if await queries.claim_notice(tx, counter) and user_id is not None:
        await enqueue(tx, MailLockNotice(user_id, new_id()))
        _log.warning("account.locked", user_id=user_id)


async def _count(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    caller: ClientInfo,
    now: datetime,
) -> int | None:
    return await queries.record_failure(
        tx,
        counter,
        user_id=user_id,
        caller=caller,
        locks=_LOCKS,
        since=now - FAILURES_REMEMBERED,
        now=now,
    )


def _names(stored: NormalAddress) -> set[str]:
    """Return under what attempts at an account may be counted: its form may be normal, or typed."""
    return {counted_as(stored), normalise(stored)}


def _digest_of_client(client: str) -> str:
    return _digest(f"client {client}")


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


async def find_lock(reader: Reader, email: NormalAddress) -> Lock | None:
    """Return the longest series of wrong passwords; None: there is none."""
    return await queries.find_failures(reader, [_digest(name) for name in _names(email)])


async def reset_counter(tx: Transaction, counter: FailureCounter) -> None:
    """Begin to count anew: the password was right."""
    await queries.delete_counter(tx, counter)


async def forget_failures(tx: Transaction, email: NormalAddress) -> bool:
    """Let everybody try again at the address; False: there were no failures."""
    # With their limits left, whoever has locked the address would still keep its owner out.
    known = await queries.list_clients(tx, [email], since=_EVER)
    clients = {"", *(_digest_of_client(client_key(address)) for address in known)}
    for name, client in product(_names(email), clients):
        await forget_who(tx, limited_as(name, client), SIGN_IN_OF_ADDRESS)
    return await queries.delete_failures(tx, [_digest(name) for name in _names(email)])


async def delete_old_failures(tx: Transaction, before: datetime) -> int:
    """Delete rows of failures that ended before then, up to 10,000; return how many there were."""
    return await queries.delete_old_failures(tx, before=before, limit=_AT_ONCE)
