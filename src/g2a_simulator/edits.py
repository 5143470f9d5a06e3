"""Edits of a product's fields, and the validation of their values."""

import json
from calendar import timegm
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from g2a_simulator.errors import InvalidCommand

Fields = dict[str, object]

_PRICES = ("minPrice", "retail_min_price", "retailMinBasePrice")

MAX_UINT32 = 2**32 - 1  # the arrays of the inventory hold unsigned 32-bit integers


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields that replace a product's own, and fields that are left out."""

    fields: Fields = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    def with_fields(self, fields: Fields) -> "Edit":
        """Return the edit with more fields."""
        return Edit(fields=self.fields | fields, without=self.without - fields.keys())

    def without_names(self, names: Iterable[str]) -> "Edit":
        """Return the edit without these fields."""
        removed = set(names)
        kept = {name: value for name, value in self.fields.items() if name not in removed}
        return Edit(fields=kept, without=self.without - removed)


def apply_edit(product: bytes, edit: Edit) -> bytes:
    """Return a product's JSON with an edit applied."""
    fields: Fields = json.loads(product) | edit.fields
    kept = {name: value for name, value in fields.items() if name not in edit.without}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def read_cents(name: str, value: object) -> int:
    """
    Return a price in cents.

    Raises:
        InvalidCommand: it is not a number, or outside the range of the inventory.
    """
    try:
        amount = int((Decimal(str(value)) * 100).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise InvalidCommand(f"{name} must be a number.") from None
    if isinstance(value, bool) or not 0 <= amount <= MAX_UINT32:
        raise InvalidCommand(
            f"{name} must be 0 or more; override the product to show an invalid value."
        )
    return amount


def read_quantity(name: str, value: object) -> int:
    """
    Return a quantity.

    Raises:
        InvalidCommand: it is not a whole number, or outside the range of the inventory.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_UINT32:
        raise InvalidCommand(f"{name} must be a whole number, 0 or more.")
    return value


def parse_time(text: str) -> int:
    """
    Return a UTC time in the format of the API as seconds since 1970.

    Raises:
        ValueError: it has another format, or is outside the range of the inventory.
    """
    seconds = timegm(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timetuple())
    if not 0 <= seconds <= MAX_UINT32:
        raise ValueError(text)
    return seconds


def read_inventory_changes(
    fields: Mapping[str, object], prices: Mapping[str, int]
) -> dict[str, int]:
    """
    Return the prices in cents and the quantity among the changed fields.

    Retail prices that are not given change in proportion to `minPrice`; `prices` holds the
    present prices.

    Raises:
        InvalidCommand: the API could not emit a value.
    """
    changes = {name: read_cents(name, fields[name]) for name in _PRICES if name in fields}
    if "qty" in fields:
        changes["qty"] = read_quantity("qty", fields["qty"])
    if "minPrice" in changes and prices["minPrice"]:
        for name in _PRICES[1:]:
            scaled = prices[name] * changes["minPrice"] // prices["minPrice"]
            changes.setdefault(name, min(scaled, MAX_UINT32))
    return changes
