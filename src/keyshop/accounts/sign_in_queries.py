"""The SQL of signing in: attempts that failed, and the history of those that did not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from keyshop.accounts.models import Caller
from keyshop.accounts.rules import storable
from keyshop.kit.database import Reader, Transaction, row
from keyshop.kit.ids import new_id

_FIND_GATE: Final = """
    SELECT coalesce(bool_or(locked_until > $2), false) AS is_locked,
        coalesce(bool_or(failures >= $3 AND last_failed_at >= $4), false) AS locks_next
    FROM keyshop.sign_in_failures WHERE address = $1
"""

# Of several at a time, one finds the address unlocked: the others see what that one has set.
_BOOK: Final = """
    UPDATE keyshop.sign_in_failures SET failures = failures + 1, last_failed_at = $2::timestamp,
        locked_until =
            $2::timestamp + ($3::interval[])[least(failures + 1, cardinality($3::interval[]))]
    WHERE address = $1 AND (locked_until IS NULL OR locked_until <= $2::timestamp)
    RETURNING failures
"""

_UNBOOK: Final = """
    UPDATE keyshop.sign_in_failures SET failures = failures - 1, locked_until = NULL
    WHERE address = $1 AND failures = $2
"""

_NOTE_BOOKED: Final = """
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    SELECT $1, id, $2, $3, false, $4::timestamp FROM users WHERE id = $5 FOR KEY SHARE
"""

# The same statement whether or not there is such a user. What fails while the lock holds (it was
# under way when it began) lengthens nothing, and is in no history. $3 is for how long so many failures lock.
_NOTE_FAILURE: Final = """
    WITH failed AS (
        INSERT INTO keyshop.sign_in_failures AS f (address, failures, last_failed_at)
        VALUES ($1, 1, $2::timestamp)
        ON CONFLICT (address) DO UPDATE SET
            failures = CASE WHEN f.last_failed_at < $4 THEN 1 ELSE f.failures + 1 END,
            last_failed_at = $2::timestamp,
            locked_until = CASE WHEN f.last_failed_at >= $4 THEN
                $2::timestamp + ($3::interval[])[least(f.failures + 1, cardinality($3::interval[]))]
            END
        WHERE f.locked_until IS NULL OR f.locked_until <= $2::timestamp
        RETURNING failures
    ), noted AS (
        INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
        SELECT $5, id, $6, $7, false, $2::timestamp FROM users, failed WHERE id = $8
        FOR KEY SHARE OF users
    )
    SELECT failures FROM failed
"""

_NOTE_SUCCESS: Final = """
    INSERT INTO login_history (id, "userId", "ipAddress", "userAgent", success, "createdAt")
    VALUES ($1, $2, $3, $4, true, $5)
"""

_FIND_LOCK: Final = """
    SELECT failures, locked_until FROM keyshop.sign_in_failures WHERE address = $1
"""

_FORGET_FAILURES: Final = "DELETE FROM keyshop.sign_in_failures WHERE address = $1"

_FORGET_OLD_FAILURES: Final = """
    DELETE FROM keyshop.sign_in_failures WHERE address IN (
        SELECT address FROM keyshop.sign_in_failures WHERE last_failed_at < $1
        ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) AND last_failed_at < $1
"""


class Gate(Struct, frozen=True, kw_only=True):
    """Whether somebody may try a password."""

    is_locked: bool
    locks_next: bool
    """The next wrong password locks the address."""


class Lock(Struct, frozen=True):
    """Wrong passwords in a row."""

    failures: int
    locked_until: datetime | None


async def find_gate(
    reader: Reader, address: str, *, harmless: int, since: datetime, now: datetime
) -> Gate:
    """
    Return whether the address of that digest is locked, or will be by one failure more.

    `harmless` is how many failures in a row lock nothing; a row that ended before `since` is over.
    """
    (record,) = await reader.fetch(_FIND_GATE, address, now, harmless, since)
    return row(Gate, record)


async def note_failure(
    tx: Transaction,
    address: str,
    *,
    user_id: str | None,
    caller: Caller,
    locks: Sequence[timedelta | None],
    since: datetime,
    now: datetime,
) -> int | None:
    """
    Count a wrong password and return the how manieth it is; None: the address is locked already.

    `locks[n - 1]` is for how long the nth locks. A row of failures that ended before `since` is
    over. The history of a user who exists shows an attempt that counts.
    """
    failures: int | None = await tx.fetchval(
        _NOTE_FAILURE,
        address,
        now,
        locks,
        since,
        new_id(),
        storable(caller.address),
        storable(caller.user_agent),
        user_id,
    )
    return failures


async def book_failure(
    tx: Transaction, address: str, *, locks: Sequence[timedelta | None], now: datetime
) -> int | None:
    """Count a wrong password in advance and lock the address; None: it is locked already."""
    failures: int | None = await tx.fetchval(_BOOK, address, now, locks)
    return failures


async def unbook_failure(tx: Transaction, address: str, *, failures: int) -> None:
    """Take the last one that was counted in advance back, unless more happened since."""
    await tx.execute(_UNBOOK, address, failures)


async def note_booked(
    tx: Transaction, *, user_id: str | None, caller: Caller, now: datetime
) -> None:
    """Add a wrong password that was counted in advance to the history of a user who exists."""
    await tx.execute(
        _NOTE_BOOKED, new_id(), storable(caller.address), storable(caller.user_agent), now, user_id
    )


async def note_success(tx: Transaction, user_id: str, *, caller: Caller, now: datetime) -> None:
    """Add a sign-in to the user's history."""
    agent = storable(caller.user_agent)
    await tx.execute(_NOTE_SUCCESS, new_id(), user_id, storable(caller.address), agent, now)


async def find_failures(reader: Reader, address: str) -> Lock | None:
    """Return how often in a row the password was wrong for the address of that digest."""
    record = await reader.fetchrow(_FIND_LOCK, address)
    return None if record is None else row(Lock, record)


async def delete_failures(tx: Transaction, address: str) -> bool:
    """Forget the wrong passwords of the address of that digest; False: there were none."""
    return bool(await tx.execute(_FORGET_FAILURES, address))


async def delete_old_failures(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Forget rows of failures that ended before then; return how many there were."""
    return await tx.execute(_FORGET_OLD_FAILURES, before, limit)
