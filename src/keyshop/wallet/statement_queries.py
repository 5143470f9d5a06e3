"""All SQL of the statement of a customer's balance."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.wallet.models import Adopted

# One statement, so that balance and lines are of the same moment.
_LINES: Final = """
    WITH lines AS (
        SELECT 0 AS place, recorded_at AS happened_at, 'opening balance' AS kind, NULL AS id,
            balance AS amount, 0 AS ledger_amount, NULL AS detail, false AS is_foreign,
            NULL AS adopted_by
        FROM keyshop.opening_balances WHERE user_id = $1
        UNION ALL
        SELECT 1, w.written_at, lower(w.type), w.transaction_id, w.amount, w.amount,
            CASE WHEN t.id IS NULL THEN 'missing in the ledger'
                ELSE concat_ws(', ', t.method, t.description) END, false, NULL
        FROM keyshop.wallet_rows AS w LEFT JOIN transactions AS t ON t.id = w.transaction_id
        WHERE w.user_id = $1
        UNION ALL
        SELECT 1, happened_at, 'other program: ' || replace(kind, '_', ' '), transaction_id,
            CASE kind WHEN 'balance' THEN amount ELSE 0 END,
            CASE kind WHEN 'balance' THEN 0 ELSE amount END,
            concat_ws(', ', 'role ' || db_role, nullif(application, ''), adopted_reason), true,
            adopted_by
        FROM keyshop.foreign_balance_changes WHERE user_id = $1 AND NOT is_closed
    )
    SELECT keyshop.finite(u.balance::numeric) AS balance, lines.*
    FROM users AS u LEFT JOIN lines ON true
    WHERE u.id = $1 ORDER BY place, happened_at, id NULLS FIRST
"""

_ODD_TOP_UPS: Final = """
    SELECT id, amount, state, held_reason AS reason, updated_at
    FROM keyshop.top_up_intents WHERE user_id = $1 AND held_reason IS NOT NULL ORDER BY updated_at
"""

_ADOPT: Final = """
    WITH adopted AS (
        UPDATE keyshop.foreign_balance_changes
        SET adopted_at = $2, adopted_by = $3, adopted_reason = $4
        WHERE user_id = $1 AND adopted_at IS NULL AND NOT is_closed
        RETURNING kind, amount
    )
    SELECT count(*) AS changes,
        coalesce(sum(amount) FILTER (WHERE kind = 'balance'), 0) AS balance,
        coalesce(sum(amount) FILTER (WHERE kind <> 'balance'), 0) AS ledger
    FROM adopted
"""


class StatementLine(Struct, frozen=True, kw_only=True):
    """Something that changed the balance, or that another program did to the ledger."""

    happened_at: datetime
    kind: str
    id: str | None
    """Of the line of the ledger."""

    amount: Decimal
    """By which the balance changed."""

    ledger_amount: Decimal
    """By which the sum of the ledger's completed lines changed."""

    detail: str | None
    is_foreign: bool
    adopted_by: str | None


class OddTopUp(Struct, frozen=True, kw_only=True):
    """A payment that did not fit its top-up."""

    id: str
    amount: Decimal
    state: str
    reason: str
    updated_at: datetime


async def list_lines(reader: Reader, user_id: str) -> tuple[Decimal, list[StatementLine]]:
    """Return the balance of an account that exists, and its lines, the oldest first."""
    records = await reader.fetch(_LINES, user_id)
    balance: Decimal = records[0]["balance"]
    lines = [
        StatementLine(**{name: record[name] for name in StatementLine.__struct_fields__})
        for record in records
        if record["place"] is not None
    ]
    return balance, lines


async def list_odd_top_ups(reader: Reader, user_id: str) -> list[OddTopUp]:
    return rows(OddTopUp, await reader.fetch(_ODD_TOP_UPS, user_id))


async def adopt(tx: Transaction, user_id: str, *, by: str, reason: str, now: datetime) -> Adopted:
    """Mark the changes of other programs that are not explained yet."""
    record = await tx.fetchrow(_ADOPT, user_id, now, by, reason)
    assert record is not None  # noqa: S101 - an aggregate has one row
    return Adopted(**record)
