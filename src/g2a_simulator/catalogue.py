"""The products on offer: invented facts, figures that change, and what a person has edited."""

import json
from collections.abc import Iterable

import msgspec

from g2a_simulator.edits import Edit, Fields, edited, figures_of, moment
from g2a_simulator.errors import NoSuchProduct, Unusable
from g2a_simulator.figures import (
    BUYABLE,
    FOLLOWS_STOCK,
    NOT_BUYABLE,
    realistic_figures,
    sandbox_figures,
)
from g2a_simulator.invent import FIRST_ID, ID_STEP, inventor
from g2a_simulator.listing import Listing, ProductFilter, admits
from g2a_simulator.offers import is_buyable, write_offer
from g2a_simulator.product_fields import Product

PAGE_SIZE = 20

_NEW_PRODUCT = {"minPrice": 999, "retail_min_price": 1199, "retailMinBasePrice": 1099, "qty": 10}
_AVAILABILITY = {None: FOLLOWS_STOCK, True: BUYABLE, False: NOT_BUYABLE}


class SavedProduct(msgspec.Struct):
    """Everything about a product that the seed does not tell."""

    min_price: int
    retail_price: int
    retail_base: int
    qty: int
    updated_at: int
    availability: int
    gone: bool
    fields: Fields
    without: list[str]


class Catalogue:
    """A seeded catalogue of any size; ids of products are whole numbers in here."""

    def __init__(self, products: int, *, seed: int, sandbox: bool) -> None:
        make = sandbox_figures if sandbox else realistic_figures
        self.figures = make(products, seed)
        self.sandbox = sandbox
        self.with_description = False
        self.changed: set[int] = set()  # places whose state is not saved yet
        self._seeded = products
        self._invent = inventor(seed, sandbox=sandbox)
        self._added: dict[int, int] = {}  # id to place
        self._added_ids: list[int] = []  # by place, after the seeded ones
        self._gone: set[int] = set()
        self._edits: dict[int, Edit] = {}
        self._listing = Listing(self.figures, id_of=self.id_of)

    def __len__(self) -> int:
        return self._seeded + len(self._added) - len(self._gone)

    def id_of(self, place: int) -> int:
        """Return the id of the product at a place."""
        if place < self._seeded:
            return FIRST_ID + place * ID_STEP
        return self._added_ids[place - self._seeded]

    def find_place(self, id_: int) -> int | None:
        """Return the place of a product, or None if it is not on offer."""
        place = self._any_place(id_)
        return None if place is None or place in self._gone else place

    def get_place(self, id_: int) -> int:
        """
        Return the place of a product.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
        """
        place = self.find_place(id_)
        if place is None:
            raise NoSuchProduct(id_)
        return place

    def places(self) -> Iterable[int]:
        """Return the places of all products in the order of their ids."""
        if not self._added and not self._gone:
            return range(self._seeded)
        there = [p for p in range(self._seeded + len(self._added)) if p not in self._gone]
        return sorted(there, key=self.id_of) if self._added else there

    def page(self, wanted: ProductFilter, page: int) -> tuple[int, list[bytes]]:
        """Return how many products pass the filter, and those of one page as JSON."""
        found = self._listing.select(wanted, self.places)
        first = (page - 1) * PAGE_SIZE
        return len(found), [self.render(place) for place in found[first : first + PAGE_SIZE]]

    def single(self, id_: int, wanted: ProductFilter) -> list[bytes]:
        """Return the product with an id as JSON, or nothing if it does not pass the filter."""
        place = self.find_place(id_)
        if place is None or not admits(wanted, self.figures, place):
            return []
        return [self.render(place)]

    def render(self, place: int) -> bytes:
        """Return the product as the API writes it."""
        plain = self._render_plain(place)
        edit = self._edits.get(place)
        return plain if edit is None else edited(plain, edit)

    def product(self, id_: int) -> Product:
        """
        Return the product as the API emits it, read back into a dictionary.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
        """
        product: Product = json.loads(self.render(self.get_place(id_)))
        return product

    def is_buyable(self, place: int) -> bool:
        """Test whether the API says that the product can be bought."""
        return is_buyable(self.figures, place)

    def change(self, id_: int, fields: Fields, *, now: int) -> None:
        """
        Change documented fields of a product, and its time of update unless that is given too.

        A new `minPrice` takes both retail prices along in proportion unless they are given too.
        `availableToBuy` None follows the stock again.

        Raises:
            NoSuchProduct: nothing with this id is on offer.
            Unusable: a field is not documented, or its value could not come from the API.
        """
        place = self.get_place(id_)
        _check_names(fields, documented=json.loads(self._render_plain(place)).keys())
        figures = figures_of(fields, self._prices(place))
        updated_at = _update_time(fields.get("updated_at"))
        kept_apart = {*figures, "availableToBuy"} | ({"updated_at"} if updated_at else set())
        shown = {name: value for name, value in fields.items() if name not in kept_apart}
        if "availableToBuy" in fields:
            self.figures.availability[place] = _availability(fields["availableToBuy"])
        self._set_figures(place, figures)
        stale = {*fields, "updated_at"}
        self._edits[place] = self._edit(place).without_traces_of(stale).with_fields(shown)
        self._touch(place, updated_at or now)

    def override(self, id_: int, fields: Fields, without: frozenset[str] = frozenset()) -> None:
        """Show a product with any values at all and lacking fields, however wrong; {} mends it."""
        place = self.get_place(id_)
        self._edits[place] = Edit(fields=dict(fields), without=without)
        self.changed.add(place)

    def add(self, id_: int, *, now: int) -> None:
        """
        Put a product with an id of one's own on offer, or one that was taken away back.

        Raises:
            Unusable: there is one with this id already.
        """
        place = self._any_place(id_)
        if place is not None and place not in self._gone:
            raise Unusable(f"There is a product {id_} already.")
        if place is None:
            place = self._append(id_)
        self._gone.discard(place)
        self._listing.forget()
        self._touch(place, now)

    def remove(self, id_: int) -> None:
        """Take a product off the list, as if it had never been there."""
        place = self.get_place(id_)
        self._gone.add(place)
        self._listing.forget()
        self.changed.add(place)

    def set_stock(self, place: int, qty: int, *, now: int) -> None:
        """Set how many keys of a product are left."""
        self.figures.qty[place] = qty
        self._touch(place, now)

    def set_price(self, place: int, min_price: int, *, now: int) -> None:
        """Set the minimal price in cents; the retail prices follow in proportion."""
        self._set_figures(place, figures_of({"minPrice": min_price / 100}, self._prices(place)))
        self._touch(place, now)

    def snapshot(self, place: int) -> SavedProduct:
        """Return what a restart needs to know about a product."""
        figures, edit = self.figures, self._edit(place)
        return SavedProduct(
            min_price=figures.min_price[place],
            retail_price=figures.retail_price[place],
            retail_base=figures.retail_base[place],
            qty=figures.qty[place],
            updated_at=figures.updated_at[place],
            availability=figures.availability[place],
            gone=place in self._gone,
            fields=edit.fields,
            without=sorted(edit.without),
        )

    def restore(self, id_: int, saved: SavedProduct) -> None:
        """Put a product into the state of its snapshot."""
        place = self._any_place(id_)
        if place is None:
            place = self._append(id_)
        figures = self.figures
        figures.min_price[place], figures.qty[place] = saved.min_price, saved.qty
        figures.retail_price[place], figures.retail_base[place] = (
            saved.retail_price,
            saved.retail_base,
        )
        figures.updated_at[place], figures.availability[place] = (
            saved.updated_at,
            saved.availability,
        )
        if saved.gone:
            self._gone.add(place)
        if saved.fields or saved.without:
            self._edits[place] = Edit(fields=saved.fields, without=frozenset(saved.without))
        self._listing.forget()

    def _edit(self, place: int) -> Edit:
        return self._edits.get(place, Edit())

    def _prices(self, place: int) -> dict[str, int]:
        return {
            "minPrice": self.figures.min_price[place],
            "retail_min_price": self.figures.retail_price[place],
            "retailMinBasePrice": self.figures.retail_base[place],
        }

    def _set_figures(self, place: int, changed: dict[str, int]) -> None:
        arrays = {
            "minPrice": self.figures.min_price,
            "retail_min_price": self.figures.retail_price,
            "retailMinBasePrice": self.figures.retail_base,
            "qty": self.figures.qty,
        }
        for name, value in changed.items():
            arrays[name][place] = value

    def _touch(self, place: int, now: int) -> None:
        self.figures.updated_at[place] = now
        self.changed.add(place)
        if place not in self._gone:
            self._listing.refresh(place)

    def _append(self, id_: int) -> int:
        place = self._seeded + len(self._added)
        self._added[id_] = place
        self._added_ids.append(id_)
        self.figures.append()
        self._set_figures(place, _NEW_PRODUCT)
        return place

    def _any_place(self, id_: int) -> int | None:
        place, rest = divmod(id_ - FIRST_ID, ID_STEP)
        return place if rest == 0 and 0 <= place < self._seeded else self._added.get(id_)

    def _render_plain(self, place: int) -> bytes:
        facts = self._invent(self.id_of(place))
        dated, described = not self.sandbox, self.with_description
        return write_offer(facts, self.figures, place, dated=dated, described=described)


def _check_names(fields: Fields, *, documented: Iterable[str]) -> None:
    if "id" in fields:
        raise Unusable("The id of a product cannot be changed, only overridden.")
    if unknown := sorted(fields.keys() - {*documented, "description"}):
        raise Unusable(f"A product has no field {unknown[0]}.")


def _availability(value: object) -> int:
    if value is not None and not isinstance(value, bool):
        raise Unusable("availableToBuy must be true, false or null.")
    return _AVAILABILITY[value]


def _update_time(text: object) -> int | None:
    """Return seconds since 1970, or None for an empty or nonsensical text, which is shown as it is."""
    try:
        return moment(text) if isinstance(text, str) else None
    except ValueError:
        return None
