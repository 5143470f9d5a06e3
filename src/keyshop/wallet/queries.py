"""All SQL that changes balances and the ledger."""
# ruff: noqa: S608 - statements are built from constants alone

from datetime import datetime
from decimal import Decimal
from typing import Final

from asyncpg import Record

from keyshop.accounts.columns import NOT_ERASED
from keyshop.kit.database.codecs import row
from keyshop.kit.database.transaction import Reader, Transaction
from keyshop.kit.ids import new_id
from keyshop.wallet.models import Entry, EntryType, Wallet
from keyshop.wallet.rules import MAX_BALANCE

# Does not block new rows that refer to the customer, such as lines in a cart.
_LOCK: Final = f"""
    SELECT id AS user_id, keyshop.finite(balance::numeric) AS balance, email,
        NOT ({NOT_ERASED}) AS is_erased
    FROM users WHERE id = $1 FOR NO KEY UPDATE
"""

# Triggers record what is written without this mark as made by another program.
_MARK: Final = "SELECT set_config('keyshop.wallet', 'on', true)"
_UNMARK: Final = "SELECT set_config('keyshop.wallet', '', true)"

# A balance of NaN, which is above every number, counts as 0: it buys nothing. Each use of the
# amount is cast, because PostgreSQL would take the type of an untyped one from its neighbours.
_ADD: Final = f"""
    WITH changed AS (
        UPDATE users SET balance = keyshop.finite(balance::numeric) + $2::numeric(10,2),
            "updatedAt" = $9
        WHERE id = $1
            AND ($2::numeric(10,2) > 0 OR keyshop.finite(balance::numeric) + $2::numeric(10,2) >= 0)
            AND (NOT $10 OR keyshop.finite(balance::numeric) + $2::numeric(10,2) <= {MAX_BALANCE})
        RETURNING id, balance::numeric AS balance
    ), added AS (
        INSERT INTO transactions (id, "userId", type, amount, currency, method, status, description,
            "orderId", "transactionHash", "gatewayResponse", "createdAt")
        SELECT $3, id, $4::text::"TransactionType", $2::numeric(10,2), 'EUR', $5, 'COMPLETED', $6,
            $7, $8, $11::text::jsonb, $9
        FROM changed
        RETURNING id, "userId" AS user_id, amount, "createdAt" AS created_at
    )
    SELECT added.*, balance FROM changed, added
"""

_BALANCE: Final = "SELECT keyshop.finite(balance::numeric) FROM users WHERE id = $1"

# The order's id in a line belongs to its payment; keyshop.refunds links refunds with their order.
_LIST: Final = """
    SELECT id, type::text, keyshop.finite(amount::numeric) AS amount, currency, method, status::text,
        description, "transactionHash" AS transaction_hash, "createdAt" AS created_at,
        coalesce("orderId", (
            SELECT min(r.order_id) FROM keyshop.refunds AS r WHERE r.transaction_id = t.id
        )) AS order_id
    FROM transactions AS t WHERE "userId" = $1 ORDER BY "createdAt" DESC, id DESC
"""


async def find_balance(reader: Reader, user_id: str) -> Decimal | None:
    """Return the balance, 0 if what is stored is not a number; None: there is no such customer."""
    balance: Decimal | None = await reader.fetchval(_BALANCE, user_id)
    return balance


async def list_transactions(reader: Reader, user_id: str) -> list[Record]:
    """Return the fields of `ShownTransaction`, NULL where there is none, the newest first."""
    return await reader.fetch(_LIST, user_id)


async def lock_wallet(tx: Transaction, user_id: str) -> Wallet | None:
    """
    Return the customer's wallet, an erased one's too; None: there is no such customer.

    Until the transaction ends, no other one can change the balance.
    """
    record = await tx.fetchrow(_LOCK, user_id)
    return None if record is None else row(Wallet, record)


async def add_entry(
    tx: Transaction,
    *,
    user_id: str,
    amount: Decimal,
    type_: EntryType,
    method: str,
    description: str,
    order_id: str | None = None,
    payment_hash: str | None = None,
    response: str | None = None,
    limited: bool = False,
    now: datetime,
) -> Entry | None:
    """
    Change the balance by the amount and add the row of the ledger that explains it.

    None: the balance would be below 0 after a payment, above the largest one while `limited`, or
    there is no such customer; nothing was done.
    """
    await tx.fetchval(_MARK)
    record = await tx.fetchrow(
        _ADD,
        user_id,
        amount,
        new_id(),
        type_,
        method,
        description,
        order_id,
        payment_hash,
        now,
        limited,
        response,
    )
    await tx.fetchval(_UNMARK)
    return None if record is None else Entry(type=type_, **record)
