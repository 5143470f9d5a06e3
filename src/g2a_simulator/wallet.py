"""The buyer's wallet at the supplier, in EUR."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from g2a_simulator.errors import InvalidCommand, Refusal


class Movement(msgspec.Struct, frozen=True):
    """Money added to or taken from the wallet."""

    at: datetime
    kind: Literal["top-up", "payment"]
    amount: Decimal  # EUR, below zero for a payment
    order_id: str | None = None
    transaction_id: str | None = None


class Wallet:
    """A balance, and every change of it."""

    def __init__(self, balance: Decimal) -> None:
        self.balance = balance
        self.movements: list[Movement] = []

    @property
    def payments(self) -> list[Movement]:
        """The payments, oldest first."""
        return [each for each in self.movements if each.kind == "payment"]

    def top_up(self, amount: Decimal, *, now: datetime) -> None:
        """
        Add money.

        Raises:
            InvalidCommand: the amount is not above zero.
        """
        if not amount.is_finite() or amount <= 0:
            raise InvalidCommand("A top-up must be more than 0.")
        self._record(Movement(at=now, kind="top-up", amount=amount))

    def pay(self, amount: Decimal, *, order_id: str, transaction_id: str, now: datetime) -> None:
        """
        Take money for an order.

        Raises:
            Refusal: ORD112, the balance is too low.
        """
        if amount > self.balance:
            raise Refusal("ORD112")
        self._record(
            Movement(
                at=now,
                kind="payment",
                amount=-amount,
                order_id=order_id,
                transaction_id=transaction_id,
            )
        )

    def _record(self, movement: Movement) -> None:
        self.balance += movement.amount
        self.movements.append(movement)
