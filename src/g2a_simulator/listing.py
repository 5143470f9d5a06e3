"""Which products match a filter, cached and updated when a product changes."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from g2a_simulator.inventory import Inventory

# A filter costs 4 MB for a million products.
_MAX_SELECTIONS = 16


class ListingFilter(NamedTuple):
    """The filters of the product list, in the units of the inventory; None matches everything."""

    min_qty: int = 0
    price_from: int | None = None  # cents, inclusive
    price_to: int | None = None  # cents, inclusive
    updated_from: int | None = None  # seconds since 1970, inclusive
    updated_to: int | None = None  # seconds since 1970, inclusive
    include_out_of_stock: bool = False

    @property
    def smallest_qty(self) -> int:
        """The smallest quantity that matches."""
        return self.min_qty if self.include_out_of_stock else max(self.min_qty, 1)


def matches(filters: ListingFilter, inventory: Inventory, place: int) -> bool:
    """Test whether the product at a place matches the filter."""
    price, updated_at = inventory.min_price[place], inventory.updated_at[place]
    return (
        inventory.qty[place] >= filters.smallest_qty
        and (filters.price_from is None or price >= filters.price_from)
        and (filters.price_to is None or price <= filters.price_to)
        and (filters.updated_from is None or updated_at >= filters.updated_from)
        and (filters.updated_to is None or updated_at <= filters.updated_to)
    )


class Listing:
    """The matches of the last filters, each an array of places in the order of their ids."""

    def __init__(self, inventory: Inventory, *, id_of: Callable[[int], int]) -> None:
        self._inventory = inventory
        self._id_of = id_of
        self._selections: OrderedDict[ListingFilter, array[int]] = OrderedDict()

    def select(self, filters: ListingFilter, places: Callable[[], Iterable[int]]) -> "array[int]":
        """Return the places that match; `places` returns all, in the order of their ids."""
        found = self._selections.get(filters)
        if found is None:
            found = self._selections[filters] = self._search(filters, places())
            if len(self._selections) > _MAX_SELECTIONS:
                self._selections.popitem(last=False)
        else:
            self._selections.move_to_end(filters)
        return found

    def clear(self) -> None:
        """Drop all selections, after products were added or removed."""
        self._selections.clear()

    def refresh(self, place: int) -> None:
        """Update every selection for one changed product."""
        # A new search after each change would make every page of a drifting catalogue slow.
        for filters, selection in self._selections.items():
            at = bisect_left(selection, self._id_of(place), key=self._id_of)
            present = at < len(selection) and selection[at] == place
            is_match = matches(filters, self._inventory, place)
            if is_match and not present:
                selection.insert(at, place)
            elif present and not is_match:
                selection.pop(at)

    def _search(self, filters: ListingFilter, places: Iterable[int]) -> "array[int]":
        """Return the matches; each test leaves fewer places for the next one."""
        inventory = self._inventory
        if smallest := filters.smallest_qty:
            places = [p for p in places if inventory.qty[p] >= smallest]
        if (low := filters.price_from) is not None:
            places = [p for p in places if inventory.min_price[p] >= low]
        if (high := filters.price_to) is not None:
            places = [p for p in places if inventory.min_price[p] <= high]
        if (since := filters.updated_from) is not None:
            places = [p for p in places if inventory.updated_at[p] >= since]
        if (until := filters.updated_to) is not None:
            places = [p for p in places if inventory.updated_at[p] <= until]
        return array("I", places)
