"""
Decisions about orders, without any I/O.

`TRANSITIONS` is the one table of an order's states, for all who change one.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final

from keyshop.baskets.rules import may_be_game_id
from keyshop.kit.spread import spread
from keyshop.orders.errors import (
    BadIdempotencyKey,
    BadQuantity,
    BadReason,
    EmptyOrder,
    GamesNotFound,
    TooManyUnits,
    TransitionRefused,
)
from keyshop.orders.models import (
    BuyingPolicy,
    OrderedGame,
    OrderLine,
    OrderState,
    OrderStatus,
    PaymentStatus,
    RequestedItem,
    Unit,
    UnitState,
)
from keyshop.orders.settings import OrderLimits
from keyshop.promotions.rules import fold_code

CURRENCY: Final = "EUR"

TRANSITIONS: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PROCESSING}),
    OrderStatus.PROCESSING: frozenset(
        {OrderStatus.COMPLETED, OrderStatus.FAILED, OrderStatus.CANCELLED}
    ),
    OrderStatus.COMPLETED: frozenset({OrderStatus.CANCELLED}),
    OrderStatus.FAILED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
}

UNIT_TRANSITIONS: Final[Mapping[UnitState, frozenset[UnitState]]] = {
    UnitState.OPEN: frozenset({UnitState.DELIVERED, UnitState.REFUNDED, UnitState.ORPHANED}),
    UnitState.DELIVERED: frozenset({UnitState.REFUNDED}),
    UnitState.REFUNDED: frozenset(),
    UnitState.ORPHANED: frozenset(),
}

_MAX_REASON: Final = 500  # characters
_is_idempotency_key: Final = re.compile("[!-~]{1,255}").fullmatch


def check_idempotency_key(key: str) -> None:
    """
    Check the header `Idempotency-Key`.

    Raises:
        BadIdempotencyKey: it is empty, too long, or has another character than visible ASCII.
    """
    if not _is_idempotency_key(key):
        raise BadIdempotencyKey


def merge_items(items: Sequence[RequestedItem], limits: OrderLimits) -> list[OrderLine]:
    """
    Return one line for each game, sorted by its id; the lines of one game are added up.

    Raises:
        EmptyOrder: there is no item.
        BadQuantity: a quantity is not a whole number, or a game's is outside the limits.
        TooManyUnits: all games together are too many keys.
        GamesNotFound: an id cannot be that of a game.
    """
    if not items:
        raise EmptyOrder
    quantities: Counter[str] = Counter()
    for item in items:
        quantity = item.quantity
        # JSON's true is an int of Python too.
        if type(quantity) is not int or not 1 <= quantity <= limits.max_quantity:
            raise BadQuantity(limits.max_quantity)
        quantities[item.game_id] += quantity
    if max(quantities.values()) > limits.max_quantity:
        raise BadQuantity(limits.max_quantity)
    if quantities.total() > limits.max_units:
        raise TooManyUnits(limits.max_units)
    if not all(may_be_game_id(game_id) for game_id in quantities):
        raise GamesNotFound
    return [OrderLine(game_id, quantity) for game_id, quantity in sorted(quantities.items())]


def hash_body(lines: Sequence[OrderLine], code: str | None) -> str:
    """Return the same text for requests that order the same, whatever order their items have."""
    content = [sorted([line.game_id, line.quantity] for line in lines), fold_code(code)]
    return sha256(json.dumps(content).encode()).hexdigest()


def charge_units(prices: Mapping[str, Decimal], total: Decimal) -> dict[str, Decimal]:
    """
    Return what each unit costs the customer, by unit id; the sum is exactly the total.

    `prices` are those before the discount, by unit id, and `total` what the order costs after it.

    Raises:
        ValueError: the total is not a sum that these prices can have with a discount.
    """
    unit_ids = sorted(prices)
    if total > sum(prices.values()):
        raise ValueError("A unit is never charged more than its price.")
    charged = spread(total, [prices[unit_id] for unit_id in unit_ids])
    return dict(zip(unit_ids, charged, strict=True))


def has_price(game: OrderedGame) -> bool:
    """Test whether the game has a price at which it can be sold."""
    # PostgreSQL's NUMERIC holds NaN, and NaN is greater than every price.
    return game.price.is_finite() and game.price >= 0 and game.currency == CURRENCY


def may_be_bought(game: OrderedGame, policy: BuyingPolicy, *, now: datetime) -> bool:
    """Test whether the supplier's keys of this game may be sold, beyond the shop's own."""
    return (
        policy.buying_open
        and bool(game.g2a_product_id)
        and game.g2a_stock
        and game.release_date <= now
    )


def may_cancel(units: Collection[Unit]) -> bool:
    """Test whether a customer may cancel the order: a unit is open, and none ever had a key."""
    is_open = any(unit.state is UnitState.OPEN for unit in units)
    return is_open and all(unit.vault_key_id is None for unit in units)


def may_refund(state: UnitState, *, requested: bool) -> bool:
    """
    Test whether a unit in this state may be refunded; a delivered one only at a person's request.

    An orphaned unit stays orphaned; its refund is a row of its own.
    """
    return state is UnitState.OPEN or (requested and state is UnitState.DELIVERED)


def clean_reason(text: str) -> str:
    """
    Return the reason that a person gives, on one line.

    Raises:
        BadReason: it has no text, too much of it, or a character that cannot be stored.
    """
    reason = " ".join(text.split())
    if not 1 <= len(reason) <= _MAX_REASON or "\0" in reason or not _is_utf8(reason):
        raise BadReason(_MAX_REASON)
    return reason


def is_wholly_refunded(units: Collection[Unit]) -> bool:
    """Test whether no unit is left that the customer may get, or has."""
    return all(unit.state not in {UnitState.OPEN, UnitState.DELIVERED} for unit in units)


def order_state(units: Collection[Unit]) -> OrderState:
    """
    Return the state of an order with these units, of which there is at least one.

    Raises:
        ValueError: there is no unit.
    """
    if not units:
        raise ValueError("An order has units.")
    states = {unit.state for unit in units}
    if UnitState.OPEN in states:
        status = OrderStatus.PROCESSING
    elif UnitState.DELIVERED in states:
        status = OrderStatus.COMPLETED
    elif any(unit.is_requested for unit in units):
        status = OrderStatus.CANCELLED
    else:
        status = OrderStatus.FAILED
    is_refunded = status in {OrderStatus.CANCELLED, OrderStatus.FAILED}
    return OrderState(
        status=status,
        payment_status=PaymentStatus.CANCELLED if is_refunded else PaymentStatus.COMPLETED,
    )


def list_steps(before: OrderStatus, after: OrderStatus) -> list[OrderStatus]:
    """
    Return the states that an order enters on its way, each of them a transition of the table.

    An order that is completed when it is placed passes through PROCESSING. No step: it stays.

    Raises:
        TransitionRefused: the table does not lead there.
    """
    if before is after:
        return []
    if after in TRANSITIONS[before]:
        return [after]
    for between in sorted(TRANSITIONS[before]):
        if before is OrderStatus.PENDING and after in TRANSITIONS[between]:
            return [between, after]
    raise TransitionRefused(before, after)


def _is_utf8(text: str) -> bool:
    # An argument of the command line may hold bytes that are not.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
