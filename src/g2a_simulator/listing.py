"""Which products a filter lets through, remembered until something about them changes."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from g2a_simulator.figures import Figures

# Several readers with different filters stay fast, and a million products cost 4 MB per filter.
_REMEMBERED = 16


class ProductFilter(NamedTuple):
    """The filters of the products list, in the units of the figures; None lets everything through."""

    min_qty: int = 0
    price_from: int | None = None  # cents, inclusive
    price_to: int | None = None  # cents, inclusive
    updated_from: int | None = None  # seconds since 1970, inclusive
    updated_to: int | None = None  # seconds since 1970, inclusive
    include_out_of_stock: bool = False

    @property
    def least_qty(self) -> int:
        """The smallest quantity that is let through."""
        return self.min_qty if self.include_out_of_stock else max(self.min_qty, 1)


def admits(wanted: ProductFilter, figures: Figures, place: int) -> bool:
    """Test whether the product at a place passes the filter."""
    price, updated_at = figures.min_price[place], figures.updated_at[place]
    return (
        figures.qty[place] >= wanted.least_qty
        and (wanted.price_from is None or price >= wanted.price_from)
        and (wanted.price_to is None or price <= wanted.price_to)
        and (wanted.updated_from is None or updated_at >= wanted.updated_from)
        and (wanted.updated_to is None or updated_at <= wanted.updated_to)
    )


class Listing:
    """The selections of the last filters, each an array of places in the order of their ids."""

    def __init__(self, figures: Figures, *, id_of: Callable[[int], int]) -> None:
        self._figures = figures
        self._id_of = id_of
        self._selections: OrderedDict[ProductFilter, array[int]] = OrderedDict()

    def select(self, wanted: ProductFilter, places: Callable[[], Iterable[int]]) -> "array[int]":
        """Return the places that pass; `places` gives all, in the order of their ids."""
        found = self._selections.get(wanted)
        if found is None:
            found = self._selections[wanted] = self._search(wanted, places())
            if len(self._selections) > _REMEMBERED:
                self._selections.popitem(last=False)
        else:
            self._selections.move_to_end(wanted)
        return found

    def forget(self) -> None:
        """Drop every selection, after products were added or taken away."""
        self._selections.clear()

    def refresh(self, place: int) -> None:
        """Put one changed product into, or take it out of, every remembered selection."""
        # Searching anew after each change would make every page of a drifting catalogue slow.
        for wanted, selection in self._selections.items():
            at = bisect_left(selection, self._id_of(place), key=self._id_of)
            present = at < len(selection) and selection[at] == place
            admitted = admits(wanted, self._figures, place)
            if admitted and not present:
                selection.insert(at, place)
            elif present and not admitted:
                selection.pop(at)

    def _search(self, wanted: ProductFilter, places: Iterable[int]) -> "array[int]":
        """Return what passes; one cheap test after another, as each shrinks what the next sees."""
        figures = self._figures
        if least := wanted.least_qty:
            places = [p for p in places if figures.qty[p] >= least]
        if (low := wanted.price_from) is not None:
            places = [p for p in places if figures.min_price[p] >= low]
        if (high := wanted.price_to) is not None:
            places = [p for p in places if figures.min_price[p] <= high]
        if (since := wanted.updated_from) is not None:
            places = [p for p in places if figures.updated_at[p] >= since]
        if (until := wanted.updated_to) is not None:
            places = [p for p in places if figures.updated_at[p] <= until]
        return array("I", places)
