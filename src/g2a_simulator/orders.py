"""The buyer's orders: their prices, states and keys."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

import msgspec

from g2a_simulator.errors import NoSuchOrder

# Without I, O, 0 and 1, which are easily confused; real keys omit them too.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_FIRST_ORDER = 80_201_019_921_771


class Order(msgspec.Struct):
    """One order of one key; times are UTC."""

    id: str
    product_id: str
    price: Decimal  # in `currency`
    currency: str
    charge: Decimal  # EUR, what the wallet pays
    created_at: datetime
    paid_at: datetime | None = None
    transaction_id: str | None = None
    key_shown_at: datetime | None = None
    released: bool = False  # not paid in time; its key is in stock again
    forced_status: str | None = None  # shown by the details instead of the true state


def status_of(order: Order, *, now: datetime, processing: timedelta) -> str:
    """Return the state that the details of the order show."""
    if order.forced_status is not None:
        return order.forced_status
    if order.paid_at is None:
        return "new"
    return "complete" if now >= order.paid_at + processing else "pending"


def key_of(order: Order, *, seed: int, is_file: bool) -> str:
    """Return the order's key, which no other order has."""
    digest = blake2b(f"{seed} {order.id} {order.product_id}".encode(), digest_size=20).digest()
    if is_file:
        return f"https://files.example/{digest.hex()}"
    letters = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:15])
    return "-".join(letters[start : start + 5] for start in (0, 5, 10))


class Orders:
    """All orders by id, and the unpaid ones, oldest first."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._held: deque[Order] = deque()
        self.changed: set[str] = set()  # not saved yet

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def find(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)

    def get(self, order_id: str) -> Order:
        """
        Return the order.

        Raises:
            NoSuchOrder: there is no such order.
        """
        order = self._orders.get(order_id)
        if order is None:
            raise NoSuchOrder(order_id)
        return order

    def newest(self, number: int) -> list[Order]:
        """List the newest orders, newest first."""
        return list(self._orders.values())[: -number - 1 : -1]

    def free_id(self, *, sandbox: bool, now: datetime) -> str:
        """Return an unused id: in the sandbox the time in seconds, otherwise 14 digits."""
        if not sandbox:
            return str(_FIRST_ORDER + len(self._orders))
        number = int(now.timestamp())
        while str(number) in self._orders:
            number += 1
        return str(number)

    def add(self, order: Order) -> None:
        """Store an order; while it is unpaid, its hold may expire."""
        self._orders[order.id] = order
        self.changed.add(order.id)
        if order.paid_at is None and not order.released:
            self._held.append(order)

    def expire_holds(self, *, now: datetime, hold: timedelta) -> list[Order]:
        """Release the orders that were not paid in time, and return them."""
        expired: list[Order] = []
        while self._held and self._held[0].created_at + hold <= now:
            order = self._held.popleft()
            if order.paid_at is None:
                order.released = True
                self.changed.add(order.id)
                expired.append(order)
        return expired
