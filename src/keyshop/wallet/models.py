"""Rows of the wallet; every amount is in EUR."""

from decimal import Decimal

from msgspec import Struct


class Wallet(Struct, frozen=True, kw_only=True):
    """A customer's balance, locked until the transaction ends."""

    user_id: str
    balance: Decimal
    """0 if what is stored is not a number."""

    email: str
    is_erased: bool


class Entry(Struct, frozen=True, kw_only=True):
    """A row that was added to the ledger."""

    transaction_id: str
    balance: Decimal
    """The balance after it."""


class Payment(Struct, frozen=True, kw_only=True):
    """Where a credit comes from."""

    method: str
    description: str
    hash: str | None = None
    """The payment provider's id of the payment; no two rows have the same."""

    response: str | None = None
    """What the payment provider sent, as JSON."""
