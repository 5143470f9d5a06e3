"""
How a buyer's orders show their owner and their version.

An order of the shop shows its number in the milliseconds of its time, and what was refunded of it. An
order that a foreign program places has its version in its total.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from tests.consistency.contents import order_of, owner_of_user
from tests.consistency.keys import ABSENT, Family, Key, Kind
from tests.consistency.wallets import (
    KEY_PRICE,
    UNITS,
    Shown,
    version_of_orders,
)

KEY_MARK: Final = "CHKKEY"
"""How the text of every watched key begins."""

FINAL: Final = -2
"""
The version of an order that is wholly refunded, and never changes again.

Its buyer's next order makes the key's next versions.
"""

_MAX_ORDERS: Final = 1000


class _Item(Struct, rename="camel"):
    quantity: int
    refunded: int


class _Key(Struct):
    key: str
    revoked: bool = False


class Order(Struct, rename="camel"):
    """An order as the shop shows it."""

    id: str
    user_id: str
    status: str
    total: Decimal
    created_at: str
    items: list[_Item]
    keys: list[_Key] = []

    @property
    def number(self) -> int:
        """The number of the order among its buyer's, from 0."""
        return int(self.created_at[-4:-1])

    @property
    def held(self) -> int:
        """How many of its keys are not refunded."""
        return sum(item.quantity - item.refunded for item in self.items)

    def is_true(self, *, with_texts: bool) -> bool:
        """Test whether its parts belong together, and whether keys have their texts."""
        revoked = sum(key.revoked for key in self.keys)
        return (
            self.status == ("COMPLETED" if self.held else "CANCELLED")
            and self.total == UNITS * KEY_PRICE
            and (len(self.keys), revoked) == (UNITS, UNITS - self.held)
            and all(
                key.key.startswith(KEY_MARK) if with_texts else not key.key for key in self.keys
            )
        )


class _OrderAnswer(Struct):
    data: Order


class _OrdersAnswer(Struct):
    data: list[Order]


_ORDER: Final = msgspec.json.Decoder(_OrderAnswer)
_ORDERS: Final = msgspec.json.Decoder(_OrdersAnswer)


class KnownOrders:
    """The newest order of each buyer in the answers that a reader has."""

    def __init__(self) -> None:
        self._newest: dict[int, str] = {}

    def remember(self, key: Key, body: bytes) -> None:
        """Take the newest order of a list."""
        orders = _ORDERS.decode(body).data
        if orders:
            self._newest[key.owner] = max(orders, key=lambda order: order.number).id

    def find(self, key: Key) -> str | None:
        """Return the id of the order to request; None: none is known yet."""
        if key.kind is Kind.FOREIGN_BUYER:
            return order_of(key.owner)
        return self._newest.get(key.owner)

    def choose_anothers(self, dice: Random, key: Key) -> str | None:
        """Return the id of an order of another buyer; None: none is known yet."""
        others = [order for owner, order in self._newest.items() if owner != key.owner]
        return dice.choice(others) if others else None


def time_of_order(now: datetime, number: int) -> datetime:
    """Return the time at which to place an order, so that it shows its number."""
    return now.replace(microsecond=number % _MAX_ORDERS * 1000)


def read_orders(key: Key, body: bytes) -> Shown:
    """
    Return what an order or a list of orders shows.

    The version of an order that is wholly refunded is `FINAL`.
    """
    is_list = key.family is Family.ORDERS
    orders = _ORDERS.decode(body).data if is_list else [_ORDER.decode(body).data]
    owners = {owner for order in orders if (owner := owner_of_user(order.user_id)) is not None}
    if key.kind is Kind.FOREIGN_BUYER:
        return Shown(owners, _version_of_foreign(orders))
    if not all(order.is_true(with_texts=not is_list) for order in orders):
        return Shown(owners, None)
    if is_list:
        return Shown(owners, _version_of_list(orders))
    [order] = orders
    return Shown(owners, version_of_orders(order.number + 1, order.held) if order.held else FINAL)


def _version_of_foreign(orders: Sequence[Order]) -> int | None:
    if not orders:
        return ABSENT
    return int(orders[0].total.scaleb(2)) if len(orders) == 1 else None


def _version_of_list(orders: Sequence[Order]) -> int | None:
    # Not in the order of their times, in which the numbers of two orders of a second are.
    orders = sorted(orders, key=lambda order: order.number)
    if [order.number for order in orders] != list(range(len(orders))):
        return None
    if any(order.held for order in orders[:-1]):
        return None
    return version_of_orders(len(orders), orders[-1].held if orders else 0)
