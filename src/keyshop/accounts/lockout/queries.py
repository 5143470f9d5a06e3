"""The SQL of signing in: attempts that failed, and the history of those that did not."""
# ruff: noqa: S608 - statements are put together from constants of the shop alone

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from keyshop.accounts.models import NOT_ERASED, ClientInfo
from keyshop.accounts.rules import storable
from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id

# Of the newest alone: a history may be of any length.
_CLIENTS: Final = """
    SELECT newest.address FROM users AS u CROSS JOIN LATERAL (
        SELECT "ipAddress" AS address FROM login_history
        WHERE "userId" = u.id AND success AND "ipAddress" IS NOT NULL AND "createdAt" >= $2
        ORDER BY "createdAt" DESC LIMIT 100
    ) AS newest
    WHERE u.email = ANY($1)
"""

_FIND_GATE: Final = """
    SELECT max(locked_until) FILTER (WHERE locked_until > $3) AS locked_until,
        coalesce(bool_or(is_reserved AND locked_until > $3 AND last_failed_at > $6), false) AS is_reserved,
        coalesce(bool_or(failures >= $4 AND last_failed_at >= $5), false) AS locks_next
    FROM keyshop.sign_in_failures WHERE address = $1 AND client = $2
"""

# Of several at a time, one finds the address unlocked: the others see what that one has set.
_RESERVE: Final = """
    UPDATE keyshop.sign_in_failures SET failures = failures + 1, last_failed_at = $3::timestamp,
        locked_until =
            $3::timestamp + ($4::interval[])[least(failures + 1, cardinality($4::interval[]))],
        is_reserved = true
    WHERE address = $1 AND client = $2 AND (locked_until IS NULL OR locked_until <= $3::timestamp)
    RETURNING failures
"""

_RELEASE: Final = """
    UPDATE keyshop.sign_in_failures
    SET failures = failures - 1, locked_until = NULL, is_reserved = false
    WHERE address = $1 AND client = $2 AND failures = $3 AND is_reserved
"""

_CONFIRM_RESERVED: Final = f"""
    WITH looked_at AS (
        UPDATE keyshop.sign_in_failures SET is_reserved = false WHERE address = $1 AND client = $2
    )
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    SELECT $3, id, $4, $5, false, $6::timestamp FROM users
    WHERE id = $7 AND {NOT_ERASED} FOR KEY SHARE
"""

# The same statement whether or not there is such a user. What fails while the lock holds (it was
# under way when it began) lengthens nothing, and is in no history. $4 is for how long so many failures lock.
_RECORD_FAILURE: Final = f"""
    WITH failed AS (
        INSERT INTO keyshop.sign_in_failures AS f (address, client, failures, last_failed_at)
        VALUES ($1, $2, 1, $3::timestamp)
        ON CONFLICT (address, client) DO UPDATE SET
            failures = CASE WHEN f.last_failed_at < $5 THEN 1 ELSE f.failures + 1 END,
            last_failed_at = $3::timestamp,
            locked_until = CASE WHEN f.last_failed_at >= $5 THEN
                $3::timestamp + ($4::interval[])[least(f.failures + 1, cardinality($4::interval[]))]
            END,
            is_reserved = false,
            is_notified = f.is_notified AND f.last_failed_at >= $5
        WHERE f.locked_until IS NULL OR f.locked_until <= $3::timestamp
        RETURNING failures
    ), noted AS (
        INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
        SELECT $6, id, $7, $8, false, $3::timestamp FROM users, failed
        WHERE id = $9 AND {NOT_ERASED} FOR KEY SHARE OF users
    )
    SELECT failures FROM failed
"""

_CLAIM_NOTICE: Final = """
    UPDATE keyshop.sign_in_failures SET is_notified = true
    WHERE address = $1 AND client = $2 AND NOT is_notified RETURNING true
"""

_RECORD_SIGN_IN: Final = """
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    VALUES ($1, $2, $3, $4, true, $5)
"""

_FIND_LOCK: Final = """
    SELECT max(failures) AS failures, max(locked_until) AS locked_until
    FROM keyshop.sign_in_failures WHERE address = ANY($1) HAVING count(*) > 0
"""

_DELETE_COUNTER: Final = "DELETE FROM keyshop.sign_in_failures WHERE address = $1 AND client = $2"

_FORGET_FAILURES: Final = "DELETE FROM keyshop.sign_in_failures WHERE address = ANY($1)"

_FORGET_OLD_FAILURES: Final = """
    WITH old AS MATERIALIZED (
        SELECT address, client FROM keyshop.sign_in_failures WHERE last_failed_at < $1
        ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM keyshop.sign_in_failures AS f USING old
    WHERE f.address = old.address AND f.client = old.client
"""


class FailureCounter(Struct, frozen=True):
    """Wrong passwords that are counted together, by digests of who they are counted for."""

    address: str
    client: str = ""
    """Empty: of all who have a series of their own nowhere."""


class LockoutState(Struct, frozen=True, kw_only=True):
    """Whether somebody may try a password."""

    locked_until: datetime | None
    """None: not locked now."""

    is_reserved: bool
    """Whether it stays locked hangs on a password that is being looked at."""

    locks_next: bool
    """The next wrong password locks."""


class Lock(Struct, frozen=True):
    """Wrong passwords in a row."""

    failures: int
    locked_until: datetime | None


async def list_clients(reader: Reader, emails: Sequence[str], *, since: datetime) -> set[str]:
    """Return the network addresses from which any of the accounts was signed in to since then."""
    return {record["address"] for record in await reader.fetch(_CLIENTS, emails, since)}


async def find_lockout_state(
    reader: Reader,
    counter: FailureCounter,
    *,
    harmless: int,
    since: datetime,
    reserved_since: datetime,
    now: datetime,
) -> LockoutState:
    """
    Return whether the series has locked, or will by one failure more.

    `harmless` is how many failures in a row lock nothing; a row that ended before `since` is over.
    What was counted in advance before `reserved_since` is not being looked at any more.
    """
    (record,) = await reader.fetch(
        _FIND_GATE, counter.address, counter.client, now, harmless, since, reserved_since
    )
    return row(LockoutState, record)


async def record_failure(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    client_info: ClientInfo,
    locks: Sequence[timedelta | None],
    since: datetime,
    now: datetime,
) -> int | None:
    """
    Count a wrong password and return the how manieth it is; None: the series has locked already.

    `locks[n - 1]` is for how long the nth locks. A row of failures that ended before `since` is
    over. The history of a user who exists shows an attempt that counts.
    """
    failures: int | None = await tx.fetchval(
        _RECORD_FAILURE,
        counter.address,
        counter.client,
        now,
        locks,
        since,
        new_id(),
        storable(client_info.address),
        storable(client_info.user_agent),
        user_id,
    )
    return failures


async def reserve_failure(
    tx: Transaction, counter: FailureCounter, *, locks: Sequence[timedelta | None], now: datetime
) -> int | None:
    """Count a wrong password in advance, which locks; None: it is locked already."""
    failures: int | None = await tx.fetchval(_RESERVE, counter.address, counter.client, now, locks)
    return failures


async def release_failure(tx: Transaction, counter: FailureCounter, *, failures: int) -> None:
    """Take the last one that was counted in advance back, unless more happened since."""
    await tx.execute(_RELEASE, counter.address, counter.client, failures)


async def confirm_reserved(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    client_info: ClientInfo,
    now: datetime,
) -> None:
    """Let one that was counted in advance stay, and add it to the history of a user who exists."""
    await tx.execute(
        _CONFIRM_RESERVED,
        counter.address,
        counter.client,
        new_id(),
        storable(client_info.address),
        storable(client_info.user_agent),
        now,
        user_id,
    )


async def claim_notice(tx: Transaction, counter: FailureCounter) -> bool:
    """Note that the account's owner is told of the lock; False: that was done before."""
    return bool(await tx.fetchval(_CLAIM_NOTICE, counter.address, counter.client))


async def record_sign_in(
    tx: Transaction, user_id: str, *, client_info: ClientInfo, now: datetime
) -> None:
    """Add a sign-in to the user's history."""
    agent = storable(client_info.user_agent)
    await tx.execute(_RECORD_SIGN_IN, new_id(), user_id, storable(client_info.address), agent, now)


async def find_failures(reader: Reader, addresses: Sequence[str]) -> Lock | None:
    """Return the longest series of the addresses of those digests; None: there is none."""
    record = await reader.fetchrow(_FIND_LOCK, addresses)
    return None if record is None else row(Lock, record)


async def delete_counter(tx: Transaction, counter: FailureCounter) -> None:
    """Forget the wrong passwords of one series."""
    await tx.execute(_DELETE_COUNTER, counter.address, counter.client)


async def delete_failures(tx: Transaction, addresses: Sequence[str]) -> bool:
    """Forget the wrong passwords of the addresses of those digests; False: there were none."""
    return bool(await tx.execute(_FORGET_FAILURES, addresses))


async def delete_old_failures(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Forget rows of failures that ended before then; return how many there were."""
    return await tx.execute(_FORGET_OLD_FAILURES, before, limit)
