"""
The watched keys, and the writer of each.

Every key has one kind of writer, so that its versions are ordered by their commits. A game's price
in cents is its version. A slot is a game that comes and goes: an even version is its price, the odd
one after it means that it is deleted. Personal data have a key for each person and family; `contents`
defines how they encode a version. A guest's baskets come and go as slots do.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum, StrEnum
from functools import cache
from random import Random
from time import monotonic_ns
from typing import Final

from msgspec import Struct

ABSENT: Final = -1
"""The version of a game, or of a basket, that does not exist."""

FIRST_VERSION: Final = 2
FIRST_OF_SLOT: Final = 1


class Kind(IntEnum):
    """The kind of writer of a key, which decides what is promised."""

    FOREIGN = 0  # a program outside the shop: its writes are visible within a second
    SHOP = 1  # one of the shop's transactions
    BULK = 2  # one of the shop's transactions, which changes hundreds of games
    SYNC = 3  # the sync with the supplier
    SLOT = 4  # the shop's transactions, which insert and delete it
    MISSING = 5  # a game that never existed; it has no writer
    TITLE = 6  # the shop's transactions, which change title and stock but no price
    FOREIGN_PERSON = 7  # a program outside the shop that changes a customer's data
    PERSON = 8  # the shop's operations and transactions on a customer's data
    GUEST = 9  # the same on a guest's data, and on the customer whom the guest becomes
    BUYER = 10  # the shop's operations on a customer's money and orders
    FOREIGN_BUYER = 11  # a program outside the shop that changes a customer's money and orders


BUYERS: Final = frozenset({Kind.BUYER, Kind.FOREIGN_BUYER})


class Family(StrEnum):
    """The kind of answer that shows a key's versions; many other answers show games as well."""

    GAME = "game"
    PROFILE = "profile"
    CART = "cart"
    WISHLIST = "wishlist"
    ACCESS = "access"
    GUEST_CART = "guest cart"
    GUEST_WISHLIST = "guest wishlist"
    BALANCE = "balance"
    TRANSACTIONS = "transactions"
    ORDERS = "orders"
    ORDER = "order"


class Key(Struct, frozen=True):
    """One watched object."""

    number: int
    id: str
    kind: Kind
    hot: bool = True
    """Whether it is in the lists and is requested often."""

    family: Family = Family.GAME
    owner: int = -1
    """The number of the person whose data it is; -1 for public data."""

    @property
    def slug(self) -> str:
        """Return its slug in URLs."""
        return f"{self.id}-slug"

    @property
    def product_id(self) -> str:
        """Return its supplier id, where the supplier is not the simulator."""
        return f"checker-{self.id}"

    @property
    def comes_and_goes(self) -> bool:
        """Test whether it may be absent."""
        is_deleted = self.kind is Kind.FOREIGN_BUYER and self.family in OF_ORDERS
        return self.kind in {Kind.SLOT, Kind.MISSING} or self.is_of_guest or is_deleted

    @property
    def is_of_guest(self) -> bool:
        """Test whether it is a guest's, who has a cookie instead of a token."""
        return self.family in _OF_GUESTS

    @property
    def is_foreign(self) -> bool:
        """Test whether its writer is outside the shop."""
        return self.kind in {Kind.FOREIGN, Kind.FOREIGN_PERSON, Kind.FOREIGN_BUYER}

    @property
    def first_version(self) -> int:
        """Return the version that existed before the first read."""
        return FIRST_OF_SLOT if self.comes_and_goes else FIRST_VERSION

    @property
    def scale(self) -> int:
        """Return by how much the version grows with each change of the contents."""
        return 2 if self.kind is Kind.GUEST else 1


OF_ORDERS: Final = frozenset({Family.ORDERS, Family.ORDER})
_OF_GUESTS: Final = (Family.GUEST_CART, Family.GUEST_WISHLIST)
_COUNTS: Final = {
    Kind.FOREIGN: 10,
    Kind.SHOP: 8,
    Kind.BULK: 4,
    Kind.SYNC: 4,
    Kind.SLOT: 4,
    Kind.MISSING: 20,
    Kind.TITLE: 2,
}
_IN_NO_LIST: Final = (Kind.MISSING, Kind.TITLE)
_COLD: Final = 300  # games of the bulk writer that no list shows


def _list_games() -> Iterator[Key]:
    number = 0
    for kind, count in _COUNTS.items():
        for place in range(count):
            yield Key(number, f"chk-{kind.name.lower()}{place}", kind, kind not in _IN_NO_LIST)
            number += 1
    for place in range(_COLD):
        yield Key(number + place, f"chk-cold{place}", Kind.BULK, hot=False)


_HOT_SHARE: Final = 0.7
_HOT_FOR: Final = 5_000_000_000  # nanoseconds

_CUSTOMERS: Final = (Family.PROFILE, Family.CART, Family.WISHLIST)
# Customers with baskets stay signed in; the others are repeatedly signed out and in.
_SIGNED_OUT: Final = (Family.PROFILE, Family.ACCESS)
# A guest becomes the customer with the same number.
_GUESTS: Final = (*_OF_GUESTS, Family.CART, Family.WISHLIST)
_PURCHASES: Final = (
    Family.PROFILE,
    Family.BALANCE,
    Family.TRANSACTIONS,
    Family.ORDERS,
    Family.ORDER,
)
_PERSONS: Final = (
    (Kind.FOREIGN_PERSON, 10, _CUSTOMERS),
    (Kind.FOREIGN_PERSON, 6, _SIGNED_OUT),
    (Kind.PERSON, 10, _CUSTOMERS),
    (Kind.PERSON, 6, _SIGNED_OUT),
    (Kind.GUEST, 14, _GUESTS),
    (Kind.BUYER, 8, _PURCHASES),
    (Kind.FOREIGN_BUYER, 6, _PURCHASES),
)


def _list_personal(number: int) -> Iterator[Key]:
    owner = 0
    for kind, count, families in _PERSONS:
        for _ in range(count):
            for family in families:
                name = f"{family} of person {owner}"
                yield Key(number, name, kind, family=family, owner=owner)
                number += 1
            owner += 1


GAMES: Final = tuple(_list_games())
PERSONAL: Final = tuple(_list_personal(len(GAMES)))
SIGNED_OUT: Final = frozenset(key.owner for key in PERSONAL if key.family is Family.ACCESS)
KEYS: Final = GAMES + PERSONAL
GAME_OF: Final = {key.id: key for key in GAMES}
NUMBER_OF: Final = {key.id.encode(): key.number for key in GAMES if key.kind is not Kind.TITLE}
"""The games whose price is their version."""


def of_kind(kind: Kind) -> list[Key]:
    """Return the keys of this kind of writer."""
    return [key for key in KEYS if key.kind is kind]


def choose_personal(dice: Random, among: Sequence[Key]) -> Key:
    """
    Choose one of the keys; most often one of a few persons, the same ones in all processes.

    Only data that are read several times between two writes are cached, and can become stale.
    """
    if dice.random() < _HOT_SHARE:
        hot = _hot_owners(monotonic_ns() // _HOT_FOR)
        among = [key for key in among if key.owner in hot] or among
    return dice.choice(among)


@cache
def _hot_owners(turn: int) -> frozenset[int]:
    """Return one person of each row of `_PERSONS`, in turns."""
    owners, first = set(), 0
    for _, count, _ in _PERSONS:
        owners.add(first + turn % count)
        first += count
    return frozenset(owners)


def keys_of(owner: int) -> dict[Family, Key]:
    """Return the keys of one person."""
    return {key.family: key for key in PERSONAL if key.owner == owner}
