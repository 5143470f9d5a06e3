"""
The only place that changes a balance: each change has its row in the customer's ledger.

All amounts are in EUR, from 0, and in whole cents. Callers hold the customer's row (`lock_wallet`),
and look there whether the customer exists.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from keyshop.kit.database.transaction import Transaction
from keyshop.kit.money import cents
from keyshop.wallet import queries
from keyshop.wallet.errors import BalanceTooLarge, InsufficientBalance
from keyshop.wallet.models import Entry, EntryType, Payment
from keyshop.wallet.queries import lock_wallet

__all__ = ["credit", "debit", "lock_wallet", "refund", "spend"]

_BALANCE: Final = "balance"
_OPERATOR: Final = "operator"


async def spend(
    tx: Transaction, *, user_id: str, amount: Decimal, order_id: str, now: datetime
) -> Entry:
    """
    Pay for an order; one that costs nothing has a row of 0.00.

    Raises:
        InsufficientBalance: the balance is below the amount.
    """
    return _paid(
        await queries.add_entry(
            tx,
            user_id=user_id,
            amount=_negative(amount),
            type_=EntryType.PURCHASE,
            method=_BALANCE,
            description=f"Purchase of order {order_id}",
            order_id=order_id,
            now=now,
        )
    )


async def debit(
    tx: Transaction, *, user_id: str, amount: Decimal, description: str, now: datetime
) -> Entry:
    """
    Take money away, as an operator decided.

    Raises:
        InsufficientBalance: the balance is below the amount.
    """
    return _paid(
        await queries.add_entry(
            tx,
            user_id=user_id,
            amount=_negative(amount),
            type_=EntryType.PURCHASE,
            method=_OPERATOR,
            description=description,
            now=now,
        )
    )


async def refund(
    tx: Transaction, *, user_id: str, amount: Decimal, description: str, now: datetime
) -> Entry | None:
    """
    Give money back, whatever the balance is; None: the amount is 0, or the customer is deleted.

    An erased customer's balance takes it too.
    """
    amount = _checked(amount)
    if not amount:
        return None
    return await queries.add_entry(
        tx,
        user_id=user_id,
        amount=amount,
        type_=EntryType.REFUND,
        method=_BALANCE,
        description=description,
        now=now,
    )


async def credit(
    tx: Transaction, *, user_id: str, amount: Decimal, payment: Payment, now: datetime
) -> Entry:
    """
    Add money that was paid in, or that an operator gives.

    Raises:
        BalanceTooLarge: the balance would exceed the largest one.
    """
    added = await queries.add_entry(
        tx,
        user_id=user_id,
        amount=_checked(amount),
        type_=EntryType.TOP_UP,
        method=payment.method,
        description=payment.description,
        payment_hash=payment.hash,
        response=payment.response,
        limited=True,
        now=now,
    )
    if added is None:
        raise BalanceTooLarge
    return added


def _paid(entry: Entry | None) -> Entry:
    if entry is None:
        raise InsufficientBalance
    return entry


def _negative(amount: Decimal) -> Decimal:
    return 0 - _checked(amount)  # unlike a minus sign, makes no -0


def _checked(amount: Decimal) -> Decimal:
    """Return the amount; another sign, NaN or a fraction of a cent is a fault of the caller."""
    if not (amount.is_finite() and amount >= 0 and amount == cents(amount)):
        raise ValueError(f"Not an amount in whole cents: {amount}")
    return amount
