"""
The games that are watched, and who alone changes which of them.

Every game has one kind of writer, so that its versions are ordered by their commits. A game's price
in cents is its version. A slot is a game that comes and goes: an even version is its price, the odd
one after it says that it is gone.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from msgspec import Struct

ABSENT: Final = -1
"""What is read of a game that there is none of."""

FIRST_VERSION: Final = 2
FIRST_OF_SLOT: Final = 1


class Kind(IntEnum):
    """Who changes a game, and thereby what is promised of it."""

    FOREIGN = 0  # a program that knows nothing of the shop: it is seen within a second
    SHOP = 1  # a transaction of the shop's own
    BULK = 2  # one transaction of the shop's own that changes hundreds of games
    SYNC = 3  # the sync with the supplier
    SLOT = 4  # transactions of the shop's own that insert and delete it
    NOBODY = 5  # there never was such a game


class Key(Struct, frozen=True):
    """One watched game."""

    number: int
    id: str
    kind: Kind
    hot: bool = True
    """Whether it stands in the lists and is asked for often."""

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
        return self.kind in {Kind.SLOT, Kind.NOBODY}


_HOW_MANY: Final = {
    Kind.FOREIGN: 10,
    Kind.SHOP: 8,
    Kind.BULK: 4,
    Kind.SYNC: 4,
    Kind.SLOT: 4,
    Kind.NOBODY: 20,
}
_COLD: Final = 300  # games of the bulk writer that no list shows


def _invent() -> Iterator[Key]:
    number = 0
    for kind, count in _HOW_MANY.items():
        for place in range(count):
            yield Key(number, f"chk-{kind.name.lower()}{place}", kind, kind is not Kind.NOBODY)
            number += 1
    for place in range(_COLD):
        yield Key(number + place, f"chk-cold{place}", Kind.BULK, hot=False)


KEYS: Final = tuple(_invent())
NUMBER_OF: Final = {key.id.encode(): key.number for key in KEYS}


def of_kind(kind: Kind) -> list[Key]:
    """Return the games that this kind of writer changes."""
    return [key for key in KEYS if key.kind is kind]
