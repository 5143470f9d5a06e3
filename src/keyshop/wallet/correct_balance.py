"""An operator gives or takes money; the journal holds the reason, which the customer does not see."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.accounts.errors import UserNotFound
from keyshop.journal.models import Subject
from keyshop.journal.record import record
from keyshop.kit.database.transaction import Transaction
from keyshop.wallet.ledger import credit, debit, lock_wallet
from keyshop.wallet.models import Entry, Payment

_CREDIT: Final = Payment(method="operator", description="Credit from the shop")
_DEBIT: Final = "Correction by the shop"


class OperatorsAct(Struct, frozen=True, kw_only=True):
    """What an operator does to a customer's money, and why."""

    user_id: str
    amount: Decimal
    reason: str
    by: str


async def credit_user(tx: Transaction, act: OperatorsAct, *, now: datetime) -> Entry:
    """
    Add money to a customer's balance.

    Raises:
        UserNotFound: there is no such account, or it was erased.
        BalanceTooLarge: the balance would exceed the largest one.
    """
    await _check_account(tx, act.user_id)
    entry = await credit(tx, user_id=act.user_id, amount=act.amount, payment=_CREDIT, now=now)
    await _record(tx, "wallet.top-up", act, entry, now=now)
    return entry


async def debit_user(tx: Transaction, act: OperatorsAct, *, now: datetime) -> Entry:
    """
    Take money from a customer's balance.

    Raises:
        UserNotFound: there is no such account, or it was erased.
        InsufficientBalance: there is less than that.
    """
    await _check_account(tx, act.user_id)
    entry = await debit(tx, user_id=act.user_id, amount=act.amount, description=_DEBIT, now=now)
    await _record(tx, "wallet.debit", act, entry, now=now)
    return entry


async def _check_account(tx: Transaction, user_id: str) -> None:
    wallet = await lock_wallet(tx, user_id)
    if wallet is None or wallet.is_erased:
        raise UserNotFound


async def _record(
    tx: Transaction, action: str, act: OperatorsAct, entry: Entry, *, now: datetime
) -> None:
    await record(
        tx,
        actor=act.by,
        action=action,
        subject=Subject("user", act.user_id),
        details={
            "amount": str(act.amount),
            "reason": act.reason,
            "transaction": entry.id,
        },
        now=now,
    )
