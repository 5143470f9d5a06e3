"""
What is watched, and who alone changes which of it.

Every key has one kind of writer, so that its versions are ordered by their commits. A game's price
in cents is its version. A slot is a game that comes and goes: an even version is its price, the odd
one after it says that it is gone. What belongs to one person has a key for each person and family;
`contents` says how its version is told. A guest's baskets come and go as slots do.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum, StrEnum
from functools import cache
from random import Random
from time import monotonic_ns
from typing import Final

from msgspec import Struct

ABSENT: Final = -1
"""What is read of a game, or of a basket, that there is none of."""

FIRST_VERSION: Final = 2
FIRST_OF_SLOT: Final = 1


class Kind(IntEnum):
    """Who changes what is watched, and thereby what is promised of it."""

    FOREIGN = 0  # a program that knows nothing of the shop: it is seen within a second
    SHOP = 1  # a transaction of the shop's own
    BULK = 2  # one transaction of the shop's own that changes hundreds of games
    SYNC = 3  # the sync with the supplier
    SLOT = 4  # transactions of the shop's own that insert and delete it
    NOBODY = 5  # there never was such a game
    TITLE = 6  # transactions of the shop's own that change title and stock, and no price
    FOREIGN_PERSON = 7  # a program that knows nothing of the shop, of what is one customer's
    PERSON = 8  # the shop's own verbs and transactions, of what is one customer's
    GUEST = 9  # the same of what is one guest's, up to the customer that it is moved to


class Family(StrEnum):
    """What kind of answer shows a key's versions; many others show those of games."""

    GAME = "game"
    PROFILE = "profile"
    CART = "cart"
    WISHLIST = "wishlist"
    ACCESS = "access"
    GUEST_CART = "guest cart"
    GUEST_WISHLIST = "guest wishlist"


class Key(Struct, frozen=True):
    """One thing that is watched."""

    number: int
    id: str
    kind: Kind
    hot: bool = True
    """Whether it stands in the lists and is asked for often."""

    family: Family = Family.GAME
    owner: int = -1
    """The number of the person whose it is; -1: everybody's."""

    @property
    def slug(self) -> str:
        """Return what it is called in addresses."""
        return f"{self.id}-slug"

    @property
    def product_id(self) -> str:
        """Return what the checker calls it where the supplier's id is asked for."""
        return f"checker-{self.id}"

    @property
    def comes_and_goes(self) -> bool:
        """Test whether it may be absent."""
        return self.kind in {Kind.SLOT, Kind.NOBODY} or self.family in _OF_GUESTS

    @property
    def is_foreign(self) -> bool:
        """Test whether its writer knows nothing of the shop."""
        return self.kind in {Kind.FOREIGN, Kind.FOREIGN_PERSON}

    @property
    def first_version(self) -> int:
        """Return the version that was there before the first read."""
        return FIRST_OF_SLOT if self.comes_and_goes else FIRST_VERSION

    @property
    def scale(self) -> int:
        """Return by how much the version grows with each change of the contents."""
        return 2 if self.kind is Kind.GUEST else 1


_OF_GUESTS: Final = (Family.GUEST_CART, Family.GUEST_WISHLIST)
_HOW_MANY: Final = {
    Kind.FOREIGN: 10,
    Kind.SHOP: 8,
    Kind.BULK: 4,
    Kind.SYNC: 4,
    Kind.SLOT: 4,
    Kind.NOBODY: 20,
    Kind.TITLE: 2,
}
_IN_NO_LIST: Final = (Kind.NOBODY, Kind.TITLE)
_COLD: Final = 300  # games of the bulk writer that no list shows


def _invent() -> Iterator[Key]:
    number = 0
    for kind, count in _HOW_MANY.items():
        for place in range(count):
            yield Key(number, f"chk-{kind.name.lower()}{place}", kind, kind not in _IN_NO_LIST)
            number += 1
    for place in range(_COLD):
        yield Key(number + place, f"chk-cold{place}", Kind.BULK, hot=False)


_HOT_SHARE: Final = 0.7
_HOT_FOR: Final = 5_000_000_000  # nanoseconds

_CUSTOMERS: Final = (Family.PROFILE, Family.CART, Family.WISHLIST)
# Whoever has baskets stays signed in all the time, and others are signed out and in again.
_SIGNED_OUT: Final = (Family.PROFILE, Family.ACCESS)
# The customer of a guest's number is the one whom the guest turns out to be.
_GUESTS: Final = (*_OF_GUESTS, Family.CART, Family.WISHLIST)
_PERSONS: Final = (
    (Kind.FOREIGN_PERSON, 10, _CUSTOMERS),
    (Kind.FOREIGN_PERSON, 6, _SIGNED_OUT),
    (Kind.PERSON, 10, _CUSTOMERS),
    (Kind.PERSON, 6, _SIGNED_OUT),
    (Kind.GUEST, 14, _GUESTS),
)


def _invent_persons(number: int) -> Iterator[Key]:
    owner = 0
    for kind, count, families in _PERSONS:
        for _ in range(count):
            for family in families:
                name = f"{family} of person {owner}"
                yield Key(number, name, kind, family=family, owner=owner)
                number += 1
            owner += 1


GAMES: Final = tuple(_invent())
PERSONAL: Final = tuple(_invent_persons(len(GAMES)))
SIGNED_OUT: Final = frozenset(key.owner for key in PERSONAL if key.family is Family.ACCESS)
KEYS: Final = GAMES + PERSONAL
GAME_OF: Final = {key.id: key for key in GAMES}
NUMBER_OF: Final = {key.id.encode(): key.number for key in GAMES if key.kind is not Kind.TITLE}
"""Of the games whose price is their version."""


def of_kind(kind: Kind) -> list[Key]:
    """Return what this kind of writer changes."""
    return [key for key in KEYS if key.kind is kind]


def choose_personal(dice: Random, among: Sequence[Key]) -> Key:
    """
    Choose one of the keys, most often one of a few persons', whom all processes prefer at the time.

    Only what is read again and again between two writes is kept, and can be kept too long.
    """
    if dice.random() < _HOT_SHARE:
        hot = _hot_owners(monotonic_ns() // _HOT_FOR)
        among = [key for key in among if key.owner in hot] or among
    return dice.choice(among)


@cache
def _hot_owners(turn: int) -> frozenset[int]:
    """Return one person of each row of `_PERSONS`, each in turn."""
    owners, first = set(), 0
    for _, count, _ in _PERSONS:
        owners.add(first + turn % count)
        first += count
    return frozenset(owners)


def keys_of(owner: int) -> dict[Family, Key]:
    """Return the keys of one person."""
    return {key.family: key for key in PERSONAL if key.owner == owner}
