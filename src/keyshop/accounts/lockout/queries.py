"""SQL of failure counters and of the sign-in history."""
# ruff: noqa: S608 - statements are composed of constants only

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from keyshop.accounts.columns import NOT_ERASED
from keyshop.accounts.lockout.models import FailureCounter, FailureSummary, LockoutState
from keyshop.accounts.models import ClientInfo
from keyshop.accounts.rules import to_storable
from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id

# Of the newest rows only: a history may be of any length.
_CLIENTS: Final = """
    SELECT "ipAddress" AS ip_address FROM login_history
    WHERE "userId" = $1 AND success AND "ipAddress" IS NOT NULL AND "createdAt" >= $2
    ORDER BY "createdAt" DESC LIMIT 100
"""

_FIND_STATE: Final = """
    SELECT max(locked_until) FILTER (WHERE locked_until > $3) AS locked_until,
        coalesce(bool_or(is_reserved AND locked_until > $3 AND last_failed_at > $6), false) AS is_reserved,
        coalesce(bool_or(failures >= $4 AND last_failed_at >= $5), false) AS locks_next
    FROM keyshop.sign_in_failures WHERE email_digest = $1 AND client_digest = $2
"""

# Of several attempts at once, one finds the counter unlocked; the others see what that one has set.
_RESERVE: Final = """
    UPDATE keyshop.sign_in_failures SET failures = failures + 1, last_failed_at = $3::timestamp,
        locked_until =
            $3::timestamp + ($4::interval[])[least(failures + 1, cardinality($4::interval[]))],
        is_reserved = true
    WHERE email_digest = $1 AND client_digest = $2
    AND (locked_until IS NULL OR locked_until <= $3::timestamp)
    RETURNING failures
"""

_RELEASE: Final = """
    UPDATE keyshop.sign_in_failures
    SET failures = failures - 1, locked_until = NULL, is_reserved = false
    WHERE email_digest = $1 AND client_digest = $2 AND failures = $3 AND is_reserved
"""

_CONFIRM_RESERVED: Final = f"""
    WITH confirmed AS (
        UPDATE keyshop.sign_in_failures SET is_reserved = false
        WHERE email_digest = $1 AND client_digest = $2
    )
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    SELECT $3, id, $4, $5, false, $6::timestamp FROM users
    WHERE id = $7 AND {NOT_ERASED} FOR KEY SHARE
"""

# The same statement whether or not there is such a user, so that both take the same time. An attempt
# that was in progress when the lock began, and fails, neither extends it nor enters the history.
# $4[n] is how long the nth failure locks.
_RECORD_FAILURE: Final = f"""
    WITH failed AS (
        INSERT INTO keyshop.sign_in_failures AS f
            (email_digest, client_digest, failures, last_failed_at)
        VALUES ($1, $2, 1, $3::timestamp)
        ON CONFLICT (email_digest, client_digest) DO UPDATE SET
            failures = CASE WHEN f.last_failed_at < $5 THEN 1 ELSE f.failures + 1 END,
            last_failed_at = $3::timestamp,
            locked_until = CASE WHEN f.last_failed_at >= $5 THEN
                $3::timestamp + ($4::interval[])[least(f.failures + 1, cardinality($4::interval[]))]
            END,
            is_reserved = false,
            is_notified = f.is_notified AND f.last_failed_at >= $5
        WHERE f.locked_until IS NULL OR f.locked_until <= $3::timestamp
        RETURNING failures
    ), recorded AS (
        INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
        SELECT $6, id, $7, $8, false, $3::timestamp FROM users, failed
        WHERE id = $9 AND {NOT_ERASED} FOR KEY SHARE OF users
    )
    SELECT failures FROM failed
"""

_CLAIM_NOTICE: Final = """
    UPDATE keyshop.sign_in_failures SET is_notified = true
    WHERE email_digest = $1 AND client_digest = $2 AND NOT is_notified RETURNING true
"""

_RECORD_SIGN_IN: Final = """
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    VALUES ($1, $2, $3, $4, true, $5)
"""

_FIND_LOCK: Final = """
    SELECT max(failures) AS failures, max(locked_until) AS locked_until
    FROM keyshop.sign_in_failures WHERE email_digest = $1 HAVING count(*) > 0
"""

_DELETE_COUNTER: Final = """
    DELETE FROM keyshop.sign_in_failures WHERE email_digest = $1 AND client_digest = $2
"""

_DELETE_FAILURES: Final = "DELETE FROM keyshop.sign_in_failures WHERE email_digest = $1"

_DELETE_OLD_FAILURES: Final = """
    WITH old AS MATERIALIZED (
        SELECT email_digest, client_digest FROM keyshop.sign_in_failures WHERE last_failed_at < $1
        ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM keyshop.sign_in_failures AS f USING old
    WHERE f.email_digest = old.email_digest AND f.client_digest = old.client_digest
"""


async def list_clients(reader: Reader, user_id: str, *, since: datetime) -> set[str]:
    """Return the network addresses of the account's latest sign-ins since then."""
    return {record["ip_address"] for record in await reader.fetch(_CLIENTS, user_id, since)}


async def get_lockout_state(
    reader: Reader,
    counter: FailureCounter,
    *,
    failures_without_lock: int,
    failures_since: datetime,
    reservations_since: datetime,
    now: datetime,
) -> LockoutState:
    """
    Return whether the counter has locked, and whether the next failure locks.

    So many consecutive `failures_without_lock` lock nothing. Failures before `failures_since` no
    longer count. A reservation before `reservations_since` was left by an attempt that has crashed.
    """
    (record,) = await reader.fetch(
        _FIND_STATE,
        counter.email_digest,
        counter.client_digest,
        now,
        failures_without_lock,
        failures_since,
        reservations_since,
    )
    return row(LockoutState, record)


async def record_failure(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    client_info: ClientInfo,
    locks: Sequence[timedelta | None],
    failures_since: datetime,
    now: datetime,
) -> int | None:
    """
    Count a wrong password and return the number of this failure; None: the counter is locked.

    `locks[n - 1]` is how long the nth failure locks. Failures before `failures_since` no longer
    count. An attempt that counts enters the history of the user, if there is one.
    """
    failures: int | None = await tx.fetchval(
        _RECORD_FAILURE,
        counter.email_digest,
        counter.client_digest,
        now,
        locks,
        failures_since,
        new_id(),
        to_storable(client_info.address),
        to_storable(client_info.user_agent),
        user_id,
    )
    return failures


async def reserve_failure(
    tx: Transaction, counter: FailureCounter, *, locks: Sequence[timedelta | None], now: datetime
) -> int | None:
    """Count the failure that locks before the password is verified; None: already locked."""
    failures: int | None = await tx.fetchval(
        _RESERVE, counter.email_digest, counter.client_digest, now, locks
    )
    return failures


async def release_failure(tx: Transaction, counter: FailureCounter, *, failures: int) -> None:
    """Take a reserved failure back, unless the counter has changed since."""
    await tx.execute(_RELEASE, counter.email_digest, counter.client_digest, failures)


async def confirm_reserved(
    tx: Transaction,
    counter: FailureCounter,
    *,
    user_id: str | None,
    client_info: ClientInfo,
    now: datetime,
) -> None:
    """Turn a reservation into a failure, which enters the history of the user, if there is one."""
    await tx.execute(
        _CONFIRM_RESERVED,
        counter.email_digest,
        counter.client_digest,
        new_id(),
        to_storable(client_info.address),
        to_storable(client_info.user_agent),
        now,
        user_id,
    )


async def claim_notice(tx: Transaction, counter: FailureCounter) -> bool:
    """Record that the lock notice is sent; False: it was sent before."""
    return bool(await tx.fetchval(_CLAIM_NOTICE, counter.email_digest, counter.client_digest))


async def record_sign_in(
    tx: Transaction, user_id: str, *, client_info: ClientInfo, now: datetime
) -> None:
    agent = to_storable(client_info.user_agent)
    await tx.execute(
        _RECORD_SIGN_IN, new_id(), user_id, to_storable(client_info.address), agent, now
    )


async def find_failures(reader: Reader, email_digest: str) -> FailureSummary | None:
    """Return the most consecutive failures and the latest lock; None: there are no failures."""
    record = await reader.fetchrow(_FIND_LOCK, email_digest)
    return None if record is None else row(FailureSummary, record)


async def delete_counter(tx: Transaction, counter: FailureCounter) -> None:
    await tx.execute(_DELETE_COUNTER, counter.email_digest, counter.client_digest)


async def delete_failures(tx: Transaction, email_digest: str) -> bool:
    """Delete all counters of the account or address; False: there were none."""
    return bool(await tx.execute(_DELETE_FAILURES, email_digest))


async def delete_old_failures(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete counters whose last failure is older; return how many there were."""
    return await tx.execute(_DELETE_OLD_FAILURES, before, limit)
