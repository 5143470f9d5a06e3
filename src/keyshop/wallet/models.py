"""Wallets, the lines of the ledger, and top-ups that were begun."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType


class EntryType(StrEnum):
    """What a line of the ledger is; names are those of Prisma's enum."""

    TOP_UP = "TOP_UP"  # positive
    PURCHASE = "PURCHASE"  # negative, or 0.00 for an order that costs nothing
    REFUND = "REFUND"  # positive


class TopUpMethod(StrEnum):
    """How a customer pays a top-up; the frontend's names."""

    TRUSTLY = "trustly"
    CARD = "card"
    KLARNA = "klarna"
    APPLE = "apple"


class IntentState(StrEnum):
    """The states of a top-up that was begun."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    HELD = "held"  # paid, but not as it was begun; an operator decides


class Wallet(Struct, frozen=True, kw_only=True):
    """A customer's money, locked by the transaction that reads it."""

    user_id: str
    balance: Decimal
    """0 if what is stored is not a number."""

    is_erased: bool
    email: str


class Payment(Struct, frozen=True, kw_only=True):
    """Where a credit comes from."""

    method: str
    description: str
    hash: str | None = None
    """The payment provider's id of the payment; no two lines have the same."""

    response: str | None = None
    """What the payment provider sent, as JSON."""


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the ledger; the amount in EUR changes the balance."""

    id: str
    user_id: str
    type: EntryType
    amount: Decimal
    balance: Decimal
    """The balance after it."""

    created_at: datetime


class Intent(Struct, frozen=True, kw_only=True):
    """A row of `keyshop.top_up_intents`. Times are UTC."""

    id: str
    user_id: str
    amount: Decimal
    currency: str
    method: TopUpMethod
    state: IntentState
    provider: str
    provider_id: str | None
    transaction_id: str | None
    expires_at: datetime
    noted_payment: str | None = None
    """The payment of the notification that is kept."""

    def is_payable(self, now: datetime) -> bool:
        """Test whether it waits for its payment."""
        return self.state is IntentState.PENDING and self.expires_at > now


class TopUp(Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a top-up that was begun: the customer pays at the address."""

    id: str
    amount: Decimal
    currency: str
    payment_method: TopUpMethod
    redirect_url: str
    status: Literal["pending"] = "pending"


class Outcome(StrEnum):
    """What a payment notification led to; every one is answered as processed."""

    CREDITED = "credited"
    REPEATED = "repeated"  # it was credited, or held, before
    HELD = "held"
    SECOND_PAYMENT = "second_payment"  # of a top-up that was credited
    FAILED = "failed"
    IGNORED = "ignored"


class Verdict(Struct, frozen=True):
    """The outcome of a notification, and the reason if an operator must look at it."""

    outcome: Outcome
    reason: str = ""


class Adopted(Struct, frozen=True, kw_only=True):
    """Changes of other programs that an operator has explained."""

    changes: int
    balance: Decimal
    """By which they changed the balance."""

    ledger: Decimal
    """By which they changed the sum of the ledger's completed lines."""


class Balance(Struct, frozen=True, kw_only=True):
    """The body of a customer's balance."""

    balance: Decimal
    currency: Literal["EUR"] = "EUR"


class ShownTransaction(Struct, frozen=True, kw_only=True, rename="camel"):
    """A line of the ledger, as its customer sees it; other programs may have written it."""

    id: str
    type: str
    amount: Decimal
    currency: str
    method: str | UnsetType = UNSET
    """Absent when there is none; so are the next two, and the order."""

    status: str
    description: str | UnsetType = UNSET
    transaction_hash: str | UnsetType = UNSET
    created_at: str
    order_id: str | UnsetType = UNSET
    """The order that was paid, or whose keys were refunded."""
