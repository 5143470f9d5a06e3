"""
How a buyer's balance and ledger show their owner and their version.

A buyer of the shop repeats five steps: an order of two keys, a credit of a cent, the refund of one
key, another credit, the refund of the other key. Every step adds a row to the ledger, and no two
versions have the same balance: in cents, it is a digit for the keys that were not refunded, two for
the owner, and four for the credits. Where a foreign program changes the balance, it adds cents alone,
and the ledger has a version of its own: a row that is pending, and then settled.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from msgspec import Struct

from tests.consistency.keys import FIRST_VERSION, Kind

CENT: Final = Decimal("0.01")  # EUR
UNITS: Final = 2
"""How many keys an order has."""

_LEVEL: Final = 1_000_000  # cents
KEY_PRICE: Final = Decimal(_LEVEL).scaleb(-2)
"""What one key costs, in EUR."""

_OF_OWNER: Final = 10_000  # cents; more credits than a buyer ever gets
_FULL: Final = UNITS + 1
_MARK: Final = re.compile(r"Watched ledger of person (\d+)")


class Step(IntEnum):
    """What comes next at a version."""

    ORDER = 0
    CREDIT = 1
    REFUND = 2
    SECOND_CREDIT = 3
    SECOND_REFUND = 4


CHANGE_ORDERS: Final = frozenset({Step.ORDER, Step.REFUND, Step.SECOND_REFUND})
"""The steps that change orders."""


class Holdings(NamedTuple):
    """What a buyer has at a version."""

    orders: int
    """How many were placed."""

    held: int
    """The keys of the newest order that are not refunded; all keys of older ones are."""

    cents: int
    """The credits."""


class Shown(NamedTuple):
    """Whose data an answer shows, and at which version."""

    owners: set[int]
    version: int | None
    """None: the answer contradicts itself."""


class Entry(Struct):
    """A row of a ledger."""

    amount: Decimal
    status: str
    description: str = ""


def step_after(version: int) -> Step:
    """Return the step that makes the next version."""
    return Step((version - FIRST_VERSION) % len(Step))


def holdings_of(kind: Kind, version: int) -> Holdings:
    """Return what a buyer of this kind has at the version."""
    steps = version - FIRST_VERSION
    if kind is Kind.FOREIGN_BUYER:
        return Holdings(orders=0, held=0, cents=steps)
    rounds, step = divmod(steps, len(Step))
    held = (0, 2, 2, 1, 1)[step]
    return Holdings(rounds + (step > 0), held, 2 * rounds + (0, 0, 1, 1, 2)[step])


def version_of(found: Holdings) -> int:
    """Return the version: each order, credit and refunded key is one step."""
    return FIRST_VERSION + found.orders + found.cents + UNITS * found.orders - found.held


def version_of_orders(orders: int, held: int) -> int:
    """Return the version at which orders became these: so many, and the newest with so many keys."""
    if not orders:
        return FIRST_VERSION
    last = {2: Step.ORDER, 1: Step.REFUND, 0: Step.SECOND_REFUND}[held]
    return FIRST_VERSION + len(Step) * (orders - 1) + last + 1


def balance_of(kind: Kind, owner: int, version: int) -> Decimal:
    """Return the balance at the version, in EUR."""
    found = holdings_of(kind, version)
    cents = (_FULL - found.held) * _LEVEL + owner * _OF_OWNER + found.cents
    return Decimal(cents).scaleb(-2)


def read_balance(kind: Kind, balance: Decimal, *, games: int | None = None) -> Shown:
    """Return what a balance shows; where a profile shows it, with the number of bought games."""
    level, rest = divmod(int(balance.scaleb(2)), _LEVEL)
    owner, cents = divmod(rest, _OF_OWNER)
    held = _FULL - level
    orders = 0 if kind is Kind.FOREIGN_BUYER else (cents + held) // UNITS
    version = version_of(Holdings(orders, held, cents))
    is_true = version >= FIRST_VERSION and balance_of(kind, owner, version) == balance
    if kind is Kind.BUYER and games is not None:
        is_true = is_true and games == held
    return Shown({owner}, version if is_true else None)


def mark_of_ledger(owner: int) -> str:
    """Return the description of the first row of a buyer's ledger."""
    return f"Watched ledger of person {owner}"


def read_ledger(kind: Kind, entries: Sequence[Entry]) -> Shown:
    """Return what the rows of a ledger show."""
    owners = {int(found[1]) for entry in entries if (found := _MARK.fullmatch(entry.description))}
    pending = sum(entry.status == "PENDING" for entry in entries)
    if kind is Kind.FOREIGN_BUYER:
        version = 2 * (len(entries) - pending) + pending
        return Shown(owners, version if pending <= 1 else None)
    version = FIRST_VERSION + len(entries) - 1
    total = sum(entry.amount for entry in entries)
    is_true = bool(entries) and all(total == balance_of(kind, owner, version) for owner in owners)
    return Shown(owners, version if is_true and not pending else None)
