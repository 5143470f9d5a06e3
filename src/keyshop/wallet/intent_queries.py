"""All SQL of top-ups that were begun."""
# ruff: noqa: S608 - statements are built from constants alone

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec
from asyncpg import Record
from msgspec import Struct

from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.wallet.models import Intent

_COLUMNS: Final = """
    id, user_id, amount, currency, method, state, provider, provider_id, transaction_id, expires_at,
    notification ->> 'transactionId' AS noted_payment
"""

_ADD: Final = """
    INSERT INTO keyshop.top_up_intents (id, user_id, amount, currency, method, state, provider,
        created_at, updated_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $7, $8)
"""
_SET_PROVIDER_ID: Final = """
    UPDATE keyshop.top_up_intents SET provider_id = $2, updated_at = $3 WHERE id = $1
"""
_SUM_PENDING: Final = """
    SELECT count(*) AS number, coalesce(sum(amount), 0) AS total FROM keyshop.top_up_intents
    WHERE user_id = $1 AND state = 'pending' AND expires_at > $2
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM keyshop.top_up_intents WHERE id = $1"
_LOCK: Final = f"{_FIND} FOR UPDATE"
_IS_KNOWN: Final = 'SELECT EXISTS (SELECT FROM transactions WHERE "transactionHash" = $1)'
_COMPLETE: Final = """
    UPDATE keyshop.top_up_intents
    SET state = 'completed', transaction_id = $2, notification = $3::text::jsonb, updated_at = $4
    WHERE id = $1
"""
_HOLD: Final = """
    UPDATE keyshop.top_up_intents
    SET state = 'held', held_reason = $2, notification = $3::text::jsonb, updated_at = $4
    WHERE id = $1
"""
# What identifies the first payment stays; each further one is added once.
_NOTE: Final = """
    UPDATE keyshop.top_up_intents
    SET held_reason = concat_ws('; ', held_reason, $2), updated_at = $3
    WHERE id = $1 AND position($2 || ';' IN coalesce(held_reason, '') || ';') = 0
"""
_FAIL: Final = """
    UPDATE keyshop.top_up_intents SET state = 'failed', updated_at = $2
    WHERE id = $1 AND state = 'pending'
"""
# A notification locks the customer first; a locked one is left to it.
_EXPIRE: Final = """
    UPDATE keyshop.top_up_intents SET state = 'expired', updated_at = $1
    WHERE id IN (
        SELECT id FROM keyshop.top_up_intents WHERE state = 'pending' AND expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""


_DELETE_OLD: Final = """
    DELETE FROM keyshop.top_up_intents WHERE id IN (
        SELECT id FROM keyshop.top_up_intents
        WHERE state IN ('expired', 'failed') AND updated_at < $1
        LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
_COUNT_HELD: Final = "SELECT count(*) FROM keyshop.top_up_intents WHERE state = 'held'"


class Pending(Struct, frozen=True):
    """The top-ups that a customer has begun and not paid."""

    number: int
    total: Decimal


async def add_intent(tx: Transaction, intent: Intent, *, now: datetime) -> None:
    await tx.execute(
        _ADD,
        intent.id,
        intent.user_id,
        intent.amount,
        intent.currency,
        intent.method,
        intent.provider,
        now,
        intent.expires_at,
    )


async def set_provider_id(
    tx: Transaction, intent_id: str, provider_id: str, *, now: datetime
) -> None:
    await tx.execute(_SET_PROVIDER_ID, intent_id, provider_id, now)


async def sum_pending(tx: Transaction, user_id: str, *, now: datetime) -> Pending:
    record = await tx.fetchrow(_SUM_PENDING, user_id, now)
    assert record is not None  # noqa: S101 - an aggregate has one row
    return Pending(record["number"], record["total"])


async def find_intent(reader: Reader, intent_id: str) -> Intent | None:
    return _to_intent(await reader.fetchrow(_FIND, intent_id))


async def lock_intent(tx: Transaction, intent_id: str) -> Intent | None:
    """Return the top-up, locked until the transaction ends; the customer must be locked before."""
    return _to_intent(await tx.fetchrow(_LOCK, intent_id))


async def is_known(tx: Transaction, transaction_id: str) -> bool:
    """Test whether a line of the ledger has this payment's id."""
    found: bool = await tx.fetchval(_IS_KNOWN, transaction_id)
    return found


async def complete(
    tx: Transaction, intent_id: str, *, transaction_id: str, notification: str, now: datetime
) -> None:
    await tx.execute(_COMPLETE, intent_id, transaction_id, notification, now)


async def hold(
    tx: Transaction, intent_id: str, *, reason: str, notification: str, now: datetime
) -> None:
    """Leave a payment that does not fit to an operator."""
    await tx.execute(_HOLD, intent_id, reason, notification, now)


async def note(tx: Transaction, intent_id: str, *, reason: str, now: datetime) -> None:
    """Keep what is wrong about a top-up whose state stays."""
    await tx.execute(_NOTE, intent_id, reason, now)


async def fail(tx: Transaction, intent_id: str, *, now: datetime) -> None:
    await tx.execute(_FAIL, intent_id, now)


async def expire(tx: Transaction, *, now: datetime, limit: int) -> int:
    """Let up to `limit` unpaid top-ups expire, and return their number."""
    return await tx.execute(_EXPIRE, now, limit)


async def delete_old(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` top-ups that expired or failed before then, and return their number."""
    return await tx.execute(_DELETE_OLD, before, limit)


async def count_held(reader: Reader) -> int:
    number: int = await reader.fetchval(_COUNT_HELD)
    return number


def _to_intent(record: Record | None) -> Intent | None:
    return None if record is None else msgspec.convert(dict(record), Intent)
