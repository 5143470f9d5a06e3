"""Orders and their units; names of states are those of Prisma's enums."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct


class OrderStatus(StrEnum):
    PENDING = "PENDING"  # only inside the transaction that places it
    PROCESSING = "PROCESSING"  # a unit is open
    COMPLETED = "COMPLETED"  # no unit is open, and one or more are delivered
    FAILED = "FAILED"  # wholly refunded, by the shop alone
    CANCELLED = "CANCELLED"  # wholly refunded, at least one unit at a person's request


class PaymentStatus(StrEnum):
    """The states that keyshop gives the payment of an order."""

    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"  # wholly refunded


class UnitState(StrEnum):
    """The states of a unit: one key that a customer bought."""

    OPEN = "OPEN"  # paid and not delivered
    DELIVERED = "DELIVERED"
    REFUNDED = "REFUNDED"
    ORPHANED = "ORPHANED"  # another program deleted its order while it was open


class OrderState(Struct, frozen=True, kw_only=True):
    status: OrderStatus
    payment_status: PaymentStatus


class Unit(Struct, frozen=True, kw_only=True):
    """A row of `keyshop.order_units`. Times are UTC, amounts EUR."""

    id: str
    order_id: str
    item_id: str
    user_id: str
    game_id: str
    state: UnitState
    price: Decimal
    """Before the discount."""

    charged: Decimal
    """What the customer paid for it, and what a refund gives back."""

    next_at: datetime | None
    """When to work on it next; None: never."""

    version: int
    """Every change adds one, and names the one that it expects."""

    vault_key_id: str | None
    """A refunded unit keeps it."""

    is_requested: bool = False
    """Whether a person asked for its refund; False: it has none, or the shop refunded it."""


class RequestedItem(Struct, frozen=True, kw_only=True, rename="camel"):
    """A line of a request, unchecked."""

    game_id: str
    quantity: Any = None


class OrderLine(Struct, frozen=True):
    """A game and how many of its keys are ordered."""

    game_id: str
    quantity: int


class OrderedGame(Struct, frozen=True, kw_only=True):
    """What placing an order reads of a game."""

    id: str
    title: str
    price: Decimal
    currency: str
    g2a_product_id: str | None
    g2a_stock: bool
    release_date: datetime


class BuyingPolicy(Struct, frozen=True, kw_only=True):
    """Whether the shop buys keys from its supplier for orders."""

    buying_open: bool = False


class UnitRef(Struct, frozen=True, kw_only=True):
    """Where a unit belongs; another program may rename the ids of order and user."""

    id: str
    order_id: str
    user_id: str
    game_id: str


class LockedOrder(Struct, frozen=True, kw_only=True):
    """An order that no other transaction can change until the one that has read it ends."""

    id: str
    payer_id: str
    """The customer who paid it, and whom a refund pays."""

    has_payer: bool
    """False: that customer was deleted, and another program moved the order to another one before."""

    owner_id: str
    """The customer whose order it is now."""

    status: str
    """Another program may have added states to Prisma's enum."""

    units: Sequence[Unit]
    """All of them, in the order of their ids."""


class RefundCause(Struct, frozen=True, kw_only=True):
    """Why something is refunded."""

    reason: str
    by: str
    """The operator, `customer` or `shop`."""

    is_requested: bool
    """Whether a person asked for it; otherwise it is the shop that cannot deliver."""


class Refunded(Struct, frozen=True, kw_only=True):
    """What a refund gave back."""

    order_id: str
    unit_ids: Sequence[str]
    amount: Decimal
    """EUR."""

    status: str | None
    """The order's status since then; None: its order is deleted."""


class DeliveryOutcome(StrEnum):
    """What became of a key that was to be delivered."""

    DELIVERED = "delivered"
    ALREADY = "already"  # the unit has this key
    FINAL = "final"  # the unit has another key, or was refunded; the key goes to own stock


class Delivery(Struct, frozen=True, kw_only=True):
    """What `deliver` has done."""

    outcome: DeliveryOutcome
    seq: int | None = None
    """For the process's high-water mark, after the commit; None: no own key was delivered."""
