"""The products on offer: facts made from the seed, the inventory, and edits of fields."""

import json
from collections.abc import Iterable

import msgspec

from g2a_simulator.edits import Edit, Fields, apply_edit, parse_time, read_inventory_changes
from g2a_simulator.errors import InvalidCommand
from g2a_simulator.inventory import (
    BUYABLE,
    FOLLOWS_STOCK,
    NOT_BUYABLE,
    realistic_inventory,
    sandbox_inventory,
)
from g2a_simulator.listing import Listing, ListingFilter, matches
from g2a_simulator.offers import encode_product, is_buyable
from g2a_simulator.product_facts import build_facts_maker
from g2a_simulator.product_fields import ProductJson
from g2a_simulator.product_index import ProductIndex

PAGE_SIZE = 20

_NEW_PRODUCT = {"minPrice": 999, "retail_min_price": 1199, "retailMinBasePrice": 1099, "qty": 10}
_AVAILABILITY = {None: FOLLOWS_STOCK, True: BUYABLE, False: NOT_BUYABLE}


class SavedProduct(msgspec.Struct):
    """Everything about a product that the seed does not determine."""

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
    """A seeded catalogue of any size. Here, ids of products are integers."""

    def __init__(self, products: int, *, seed: int, sandbox: bool) -> None:
        make_inventory = sandbox_inventory if sandbox else realistic_inventory
        self.inventory = make_inventory(products, seed)
        self.index = ProductIndex(products)
        self.sandbox = sandbox
        self.with_description = False
        self.changed: set[int] = set()  # places that are not saved yet
        self._make_facts = build_facts_maker(seed, sandbox=sandbox)
        self._edits: dict[int, Edit] = {}
        self._listing = Listing(self.inventory, id_of=self.index.id_of)

    def __len__(self) -> int:
        return len(self.index)

    def page(self, filters: ListingFilter, page: int) -> tuple[int, list[bytes]]:
        """Return how many products match the filter, and those of one page as JSON."""
        found = self._listing.select(filters, self.index.places)
        first = (page - 1) * PAGE_SIZE
        return len(found), [self.render(place) for place in found[first : first + PAGE_SIZE]]

    def single(self, id_: int, filters: ListingFilter) -> list[bytes]:
        """Return the product as JSON, or nothing when it does not match the filter."""
        place = self.index.find(id_)
        if place is None or not matches(filters, self.inventory, place):
            return []
        return [self.render(place)]

    def render(self, place: int) -> bytes:
        """Return the product as the API emits it, as JSON."""
        product = self._encode_unedited(place)
        edit = self._edits.get(place)
        return product if edit is None else apply_edit(product, edit)

    def product(self, id_: int) -> ProductJson:
        """
        Return the product as the API emits it, as a dictionary.

        Raises:
            NoSuchProduct: no product with this id is on offer.
        """
        product: ProductJson = json.loads(self.render(self.index.get(id_)))
        return product

    def is_buyable(self, place: int) -> bool:
        """Test whether the API says that the product can be bought."""
        return is_buyable(self.inventory, place)

    def change(self, id_: int, fields: Fields, *, now: int) -> None:
        """
        Change documented fields of a product, and its time of update unless it is given as well.

        A new `minPrice` changes both retail prices in proportion unless they are given as well.
        With `availableToBuy` None, the availability follows the stock again.

        Raises:
            NoSuchProduct: no product with this id is on offer.
            InvalidCommand: a field is not documented, or the API could not emit its value.
        """
        place = self.index.get(id_)
        _check_names(fields, documented=json.loads(self._encode_unedited(place)).keys())
        changes = read_inventory_changes(fields, self._prices(place))
        updated_at = _read_update_time(fields.get("updated_at"))
        in_inventory = {*changes, "availableToBuy"} | ({"updated_at"} if updated_at else set())
        edited = {name: value for name, value in fields.items() if name not in in_inventory}
        if "availableToBuy" in fields:
            self.inventory.availability[place] = _read_availability(fields["availableToBuy"])
        self._set_inventory(place, changes)
        replaced = {*fields, "updated_at"}
        self._edits[place] = self._edit(place).without_names(replaced).with_fields(edited)
        self._touch(place, updated_at or now)

    def override(self, id_: int, fields: Fields, without: frozenset[str] = frozenset()) -> None:
        """Emit a product with any values, and without some fields; no fields undoes it."""
        place = self.index.get(id_)
        self._edits[place] = Edit(fields=dict(fields), without=without)
        self.changed.add(place)

    def add(self, id_: int, *, now: int) -> None:
        """
        Put a new product on offer, or one that was removed.

        Raises:
            InvalidCommand: a product with this id is on offer already.
        """
        place = self.index.restore(id_)
        if place is None:
            place = self._append(id_)
        self._listing.clear()
        self._touch(place, now)

    def remove(self, id_: int) -> None:
        """Remove a product from the list, as if it had never existed."""
        place = self.index.get(id_)
        self.index.remove(place)
        self._listing.clear()
        self.changed.add(place)

    def set_stock(self, place: int, qty: int, *, now: int) -> None:
        """Set the quantity of a product."""
        self.inventory.qty[place] = qty
        self._touch(place, now)

    def set_price(self, place: int, min_price: int, *, now: int) -> None:
        """Set the minimal price in cents; the retail prices change in proportion."""
        changes = read_inventory_changes({"minPrice": min_price / 100}, self._prices(place))
        self._set_inventory(place, changes)
        self._touch(place, now)

    def snapshot(self, place: int) -> SavedProduct:
        """Return the state of a product that must survive a restart."""
        inventory, edit = self.inventory, self._edit(place)
        return SavedProduct(
            min_price=inventory.min_price[place],
            retail_price=inventory.retail_price[place],
            retail_base=inventory.retail_base[place],
            qty=inventory.qty[place],
            updated_at=inventory.updated_at[place],
            availability=inventory.availability[place],
            gone=self.index.is_removed(place),
            fields=edit.fields,
            without=sorted(edit.without),
        )

    def restore(self, id_: int, saved: SavedProduct) -> None:
        """Restore the state of a product from its snapshot."""
        place = self.index.find_any(id_)
        if place is None:
            place = self._append(id_)
        inventory = self.inventory
        inventory.min_price[place], inventory.qty[place] = saved.min_price, saved.qty
        inventory.retail_price[place], inventory.retail_base[place] = (
            saved.retail_price,
            saved.retail_base,
        )
        inventory.updated_at[place], inventory.availability[place] = (
            saved.updated_at,
            saved.availability,
        )
        if saved.gone:
            self.index.remove(place)
        if saved.fields or saved.without:
            self._edits[place] = Edit(fields=saved.fields, without=frozenset(saved.without))
        self._listing.clear()

    def _edit(self, place: int) -> Edit:
        return self._edits.get(place, Edit())

    def _prices(self, place: int) -> dict[str, int]:
        return {
            "minPrice": self.inventory.min_price[place],
            "retail_min_price": self.inventory.retail_price[place],
            "retailMinBasePrice": self.inventory.retail_base[place],
        }

    def _set_inventory(self, place: int, changes: dict[str, int]) -> None:
        arrays = {
            "minPrice": self.inventory.min_price,
            "retail_min_price": self.inventory.retail_price,
            "retailMinBasePrice": self.inventory.retail_base,
            "qty": self.inventory.qty,
        }
        for name, value in changes.items():
            arrays[name][place] = value

    def _touch(self, place: int, now: int) -> None:
        self.inventory.updated_at[place] = now
        self.changed.add(place)
        if not self.index.is_removed(place):
            self._listing.refresh(place)

    def _append(self, id_: int) -> int:
        place = self.index.append(id_)
        self.inventory.append()
        self._set_inventory(place, _NEW_PRODUCT)
        return place

    def _encode_unedited(self, place: int) -> bytes:
        facts = self._make_facts(self.index.id_of(place))
        dated, described = not self.sandbox, self.with_description
        return encode_product(facts, self.inventory, place, dated=dated, described=described)


def _check_names(fields: Fields, *, documented: Iterable[str]) -> None:
    if "id" in fields:
        raise InvalidCommand("The id of a product cannot be changed, only overridden.")
    if unknown := sorted(fields.keys() - {*documented, "description"}):
        raise InvalidCommand(f"A product has no field {unknown[0]}.")


def _read_availability(value: object) -> int:
    if value is not None and not isinstance(value, bool):
        raise InvalidCommand("availableToBuy must be true, false or null.")
    return _AVAILABILITY[value]


def _read_update_time(text: object) -> int | None:
    """Return seconds since 1970, or None for any other text, which is shown as it is."""
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None
