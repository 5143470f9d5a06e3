"""What a person changed about a product, and the checks of such values."""

import json
from calendar import timegm
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from g2a_simulator.errors import Unusable

Fields = dict[str, object]

MAX_FIGURE = 2**32 - 1  # of the arrays


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields shown instead of a product's own, and fields left out."""

    fields: Fields = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    def with_fields(self, fields: Fields) -> "Edit":
        """Return the edit with more fields in it."""
        return Edit(fields=self.fields | fields, without=self.without - fields.keys())

    def without_traces_of(self, names: Iterable[str]) -> "Edit":
        """Return the edit without what it says about some fields."""
        gone = set(names)
        kept = {name: value for name, value in self.fields.items() if name not in gone}
        return Edit(fields=kept, without=self.without - gone)


def edited(product: bytes, edit: Edit) -> bytes:
    """Return a product's JSON with an edit applied."""
    fields: Fields = json.loads(product) | edit.fields
    kept = {name: value for name, value in fields.items() if name not in edit.without}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()


def cents(name: str, value: object) -> int:
    """
    Return a price in cents.

    Raises:
        Unusable: it is not a number, below zero, or absurdly large.
    """
    try:
        amount = int((Decimal(str(value)) * 100).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise Unusable(f"{name} must be a number.") from None
    if isinstance(value, bool) or not 0 <= amount <= MAX_FIGURE:
        raise Unusable(f"{name} must be 0 or more; override the product to show a wrong value.")
    return amount


def whole_number(name: str, value: object) -> int:
    """
    Return a quantity.

    Raises:
        Unusable: it is not a whole number, below zero, or absurdly large.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_FIGURE:
        raise Unusable(f"{name} must be a whole number, 0 or more.")
    return value


def moment(text: str) -> int:
    """
    Return seconds since 1970 of a time written as the API writes it, read as UTC.

    Raises:
        ValueError: it is not written so, or lies outside of what the catalogue can hold.
    """
    seconds = timegm(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timetuple())
    if not 0 <= seconds <= MAX_FIGURE:
        raise ValueError(text)
    return seconds


def figures_of(fields: Mapping[str, object], plain: Mapping[str, int]) -> dict[str, int]:
    """
    Return the figures among changed fields, checked, with retail prices that follow `minPrice`.

    `plain` holds the figures as they are.

    Raises:
        Unusable: a value could not come from the API.
    """
    prices = ("minPrice", "retail_min_price", "retailMinBasePrice")
    found = {name: cents(name, fields[name]) for name in prices if name in fields}
    if "qty" in fields:
        found["qty"] = whole_number("qty", fields["qty"])
    if "minPrice" in found and plain["minPrice"]:
        for name in prices[1:]:
            # A market moves as a whole; a test that wants them apart gives all three.
            found.setdefault(
                name, min(plain[name] * found["minPrice"] // plain["minPrice"], MAX_FIGURE)
            )
    return found
