"""The SQL with which erasing an account treats its orders and payments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from keyshop.kit.database.codecs import rows
from keyshop.kit.database.transaction import Transaction

_HAS_OPEN_UNITS: Final = """
    SELECT EXISTS (SELECT FROM keyshop.order_units WHERE user_id = $1 AND state = 'OPEN')
"""

_CLOSE_TOP_UPS: Final = """
    UPDATE keyshop.top_up_intents
    SET state = CASE state WHEN 'pending' THEN 'expired' ELSE state END, notification = NULL,
        updated_at = $2
    WHERE user_id = $1 AND (state = 'pending' OR notification IS NOT NULL)
"""

_LOCK_PAYMENTS: Final = """
    SELECT id, description, "gatewayResponse"::text AS response FROM transactions
    WHERE "userId" = $1 AND (description IS NOT NULL OR "gatewayResponse" IS NOT NULL)
    ORDER BY id FOR NO KEY UPDATE
"""

_SET_PAYMENTS: Final = """
    UPDATE transactions AS t SET description = n.description, "gatewayResponse" = n.response::jsonb
    FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, description, response)
    WHERE t.id = n.id
"""


class PaymentTexts(Struct, frozen=True):
    """What a payment service wrote into a row of the ledger."""

    id: str
    description: str | None
    response: str | None
    """JSON."""


async def has_open_units(tx: Transaction, user_id: str) -> bool:
    """Test whether the customer has paid for a key that is neither delivered nor refunded."""
    found: bool = await tx.fetchval(_HAS_OPEN_UNITS, user_id)
    return found


async def close_top_ups(tx: Transaction, user_id: str, *, now: datetime) -> None:
    """Let pending top-ups expire, and delete what payment services sent about any of them."""
    await tx.execute(_CLOSE_TOP_UPS, user_id, now)


async def lock_payments(tx: Transaction, user_id: str) -> list[PaymentTexts]:
    """Return the texts of the customer's ledger, locked until the transaction ends."""
    return rows(PaymentTexts, await tx.fetch(_LOCK_PAYMENTS, user_id))


async def set_payments(tx: Transaction, payments: Sequence[PaymentTexts]) -> None:
    """Store these texts; nothing that counts in the ledger changes."""
    await tx.execute(
        _SET_PAYMENTS,
        [payment.id for payment in payments],
        [payment.description for payment in payments],
        [payment.response for payment in payments],
    )
