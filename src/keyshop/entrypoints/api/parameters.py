"""What a visitor may ask for, and what is made of absurd values."""

from decimal import Decimal
from typing import Annotated, Final

from litestar.params import PathParameter, QueryParameter
from msgspec.structs import replace

from keyshop.storefront.errors import BadParameter
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.search_games import MAX_TERM, clean_term

MAX_PAGE: Final = 100
MAX_COUNT: Final = 50
_FARTHEST_PAGE: Final = 1_000_000_000
_HIGHEST_PRICE: Final = Decimal(100_000_000)
_MAX_NUMBER: Final = 40  # characters
_LEAST_PRICE: Final = Decimal("0.001")
_MAX_VALUES: Final = 100
_MAX_PARTS: Final = 3  # of a name with commas

# From (inclusive) to (exclusive).
_PRESETS: Final[dict[str, tuple[Decimal | None, Decimal | None]]] = {
    "under-10": (None, Decimal(10)),
    "10-25": (Decimal(10), Decimal(25)),
    "25-50": (Decimal(25), Decimal(50)),
    "50-100": (Decimal(50), Decimal(100)),
    "over-100": (Decimal(100), None),
}

Count = Annotated[
    int,
    QueryParameter(description=f"How many; taken for 1 or {MAX_COUNT} when out of that range."),
]
Limit = Annotated[int, QueryParameter(ge=1, le=20, description="How many at most.")]
Page = Annotated[
    int, QueryParameter(ge=1, description="From 1; a page behind the last one is empty.")
]
PageSize = Annotated[
    int,
    QueryParameter(
        name="pageSize",
        description=f"Games on a page; taken for 1 or {MAX_PAGE} when out of that range.",
    ),
]
Text = Annotated[str, QueryParameter(max_length=MAX_TERM, description="What to look for.")]
Genre = Annotated[str | None, QueryParameter(max_length=MAX_TERM)]
PathText = Annotated[str, PathParameter(max_length=MAX_TERM)]
Option = Annotated[str | None, QueryParameter()]
Values = Annotated[list[str] | None, QueryParameter()]
"""Each value may be a comma list; the value as a whole is tried too, since names hold commas."""


def clamp_count(count: int) -> int:
    """Return the number of games to answer with."""
    return min(max(count, 1), MAX_COUNT)


def clamp_page_size(size: int) -> int:
    """Return the number of games on a page."""
    return min(max(size, 1), MAX_PAGE)


def clamp_page(page: int) -> int:
    """Return the page, as far as PostgreSQL can count."""
    return min(page, _FARTHEST_PAGE)


def split_values(values: list[str] | None) -> list[str]:
    """
    Return every value that a list parameter may mean, repeated or joined by commas.

    A name may itself hold commas, so neighbours that the split has parted are tried together too.

    Raises:
        BadParameter: there are more than anybody selects.
    """
    meant: set[str] = set()
    for value in values or ():
        parts = value.split(",")
        if len(parts) > _MAX_VALUES or len(meant) > _MAX_VALUES * _MAX_PARTS:
            raise BadParameter(f"A filter takes at most {_MAX_VALUES} values.")
        meant.add(value.strip())
        meant.update(
            ",".join(parts[begin : begin + length]).strip()
            for length in range(1, _MAX_PARTS + 1)
            for begin in range(len(parts))
        )
    return sorted(value for value in meant if value.strip(", "))


def read_sort(name: str | None) -> Sort:
    """Return the order of that name, or the latest entries first."""
    return Sort(name) if name in set(Sort) else Sort.LATEST_ENTRY


def read_flag(value: str | None) -> bool:
    """Test whether a flag is set: by anything but `false`."""
    return value is not None and value != "false"


def read_prices(
    wanted: CatalogueFilter, *, lowest: str | None, highest: str | None, preset: str | None
) -> CatalogueFilter:
    """
    Add the range of prices to the filter; a preset overrides a range, half a range is none.

    Raises:
        BadParameter: a price is no number.
    """
    if preset in _PRESETS:
        start, end = _PRESETS[preset]
        return replace(wanted, price_from=start, price_below=end)
    if not lowest or not highest:
        return wanted
    return replace(wanted, price_from=_price(lowest), price_to=_price(highest))


def _price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except ArithmeticError:
        raise BadParameter("A price must be a number.") from None
    if not price.is_finite() or len(text) > _MAX_NUMBER:
        raise BadParameter("A price must be a number.")
    # A larger number, or one closer to zero than any price, changes nothing; and PostgreSQL knows
    # no exponents as far out as Python does.
    if price < _LEAST_PRICE:
        return Decimal(0)
    return min(price, _HIGHEST_PRICE)


def read_search(text: str | None) -> str | None:
    """
    Return what to look for, if anything.

    Raises:
        BadParameter: it is too long to be meant.
    """
    return clean_term(text) or None if text else None
