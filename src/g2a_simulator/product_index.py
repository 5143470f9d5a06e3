"""Which products are on offer, and at which place of the inventory each one is."""

from collections.abc import Iterable

from g2a_simulator.errors import InvalidCommand, NoSuchProduct
from g2a_simulator.product_facts import FIRST_ID, ID_STEP


class ProductIndex:
    """The ids of seeded and added products; a place is an index into the arrays of the inventory."""

    def __init__(self, seeded: int) -> None:
        self._seeded = seeded
        self._added: dict[int, int] = {}  # id to place
        self._added_ids: list[int] = []  # by place, after the seeded ones
        self._removed: set[int] = set()

    def __len__(self) -> int:
        return self._seeded + len(self._added) - len(self._removed)

    def id_of(self, place: int) -> int:
        if place < self._seeded:
            return FIRST_ID + place * ID_STEP
        return self._added_ids[place - self._seeded]

    def find(self, id_: int) -> int | None:
        """Return the place of a product on offer, or None."""
        place = self.find_any(id_)
        return None if place is None or place in self._removed else place

    def find_any(self, id_: int) -> int | None:
        """Return the place of a product, removed or not, or None."""
        place, rest = divmod(id_ - FIRST_ID, ID_STEP)
        return place if rest == 0 and 0 <= place < self._seeded else self._added.get(id_)

    def get(self, id_: int) -> int:
        """
        Return the place of a product on offer.

        Raises:
            NoSuchProduct: no product with this id is on offer.
        """
        place = self.find(id_)
        if place is None:
            raise NoSuchProduct(id_)
        return place

    def places(self) -> Iterable[int]:
        """Return the places of all products on offer in the order of their ids."""
        if not self._added and not self._removed:
            return range(self._seeded)
        on_offer = [
            place for place in range(self._seeded + len(self._added)) if not self.is_removed(place)
        ]
        return sorted(on_offer, key=self.id_of) if self._added else on_offer

    def is_removed(self, place: int) -> bool:
        return place in self._removed

    def append(self, id_: int) -> int:
        """Add a product, and return its place."""
        place = self._seeded + len(self._added)
        self._added[id_] = place
        self._added_ids.append(id_)
        return place

    def restore(self, id_: int) -> int | None:
        """
        Put a removed product back on offer, and return its place, or None when there is none.

        Raises:
            InvalidCommand: the product is on offer already.
        """
        place = self.find_any(id_)
        if place is not None and place not in self._removed:
            raise InvalidCommand(f"There is a product {id_} already.")
        if place is not None:
            self._removed.discard(place)
        return place

    def remove(self, place: int) -> None:
        self._removed.add(place)
