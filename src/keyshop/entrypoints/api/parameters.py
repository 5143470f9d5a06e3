"""Query and path parameters: their limits, and how they are parsed."""

from decimal import Decimal
from typing import Annotated, Final

from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from keyshop.storefront.errors import BadParameter
from keyshop.storefront.models import Sort
from keyshop.storefront.search_games import MAX_TERM, clean_term

MAX_PAGE_SIZE: Final = 100
MAX_COUNT: Final = 50
_MAX_PAGE: Final = 1_000_000_000
_MIN_PRICE: Final = Decimal("0.001")
_MAX_PRICE: Final = Decimal(100_000_000)
_MAX_PRICE_LENGTH: Final = 40  # characters
_MAX_VALUES: Final = 100
_MAX_PARTS: Final = 3  # of a name that contains commas

# From (inclusive) to (exclusive).
_PRICE_PRESETS: Final[dict[str, tuple[Decimal | None, Decimal | None]]] = {
    "under-10": (None, Decimal(10)),
    "10-25": (Decimal(10), Decimal(25)),
    "25-50": (Decimal(25), Decimal(50)),
    "50-100": (Decimal(50), Decimal(100)),
    "over-100": (Decimal(100), None),
}
PRESET_NAMES: Final = ", ".join(_PRICE_PRESETS)

Count = Annotated[
    int,
    QueryParameter(
        description=f"Number of games, from 1 to {MAX_COUNT}; other values are set to the limit."
    ),
]
Limit = Annotated[
    int, QueryParameter(ge=1, le=20, description="Maximum number of suggestions, from 1 to 20.")
]
Page = Annotated[
    int,
    QueryParameter(
        ge=1, description="Page number, starting at 1. A page after the last one is empty."
    ),
]
PageSize = Annotated[
    int,
    QueryParameter(
        name="pageSize",
        description=(
            f"Games per page, from 1 to {MAX_PAGE_SIZE}; other values are set to the limit."
        ),
    ),
]
SearchTerm = Annotated[
    str, QueryParameter(max_length=MAX_TERM, description="The text to search for.")
]
Genre = Annotated[
    str | None, QueryParameter(max_length=MAX_TERM, description="Name or slug of a genre.")
]
GenrePath = Annotated[
    str, PathParameter(max_length=MAX_TERM, description="Name or slug of a genre.")
]
GameId = Annotated[str, PathParameter(max_length=MAX_TERM, description="The game's id.")]
Slug = Annotated[str, PathParameter(max_length=MAX_TERM, description="The game's slug.")]


class PriceRange(Struct, frozen=True, kw_only=True):
    """Bounds of a price; None: no bound."""

    start: Decimal | None = None
    """Inclusive."""

    end: Decimal | None = None
    """Inclusive."""

    below: Decimal | None = None


def clamp_count(count: int) -> int:
    return min(max(count, 1), MAX_COUNT)


def clamp_page_size(size: int) -> int:
    return min(max(size, 1), MAX_PAGE_SIZE)


def clamp_page(page: int) -> int:
    """Return the page, at most as high as PostgreSQL's OFFSET can count."""
    return min(page, _MAX_PAGE)


def split_values(values: list[str] | None) -> list[str]:
    """
    Return every value that a list parameter may contain, repeated or joined by commas.

    A name may itself contain commas, so neighbouring parts are also tried together.

    Raises:
        BadParameter: there are too many values.
    """
    candidates: set[str] = set()
    for value in values or ():
        parts = value.split(",")
        if len(parts) > _MAX_VALUES or len(candidates) > _MAX_VALUES * _MAX_PARTS:
            raise BadParameter(f"A filter takes at most {_MAX_VALUES} values.")
        candidates.add(value.strip())
        candidates.update(
            ",".join(parts[begin : begin + length]).strip()
            for length in range(1, _MAX_PARTS + 1)
            for begin in range(len(parts))
        )
    return sorted(value for value in candidates if value.strip(", "))


def parse_sort(name: str | None) -> Sort:
    """Return the order of this name, or the latest entries first."""
    return Sort(name) if name in set(Sort) else Sort.LATEST_ENTRY


def parse_flag(value: str | None) -> bool:
    """Return whether the flag is set, to anything but `false`."""
    return value is not None and value != "false"


def parse_search(text: str | None) -> str | None:
    """
    Return the text to search for, if any.

    Raises:
        BadParameter: the text is too long.
    """
    return clean_term(text) or None if text else None


def parse_price_range(
    *, min_price: str | None, max_price: str | None, preset: str | None
) -> PriceRange:
    """
    Return the range; a preset overrides a range, and half a range is ignored.

    Raises:
        BadParameter: a price is not a number.
    """
    if preset in _PRICE_PRESETS:
        start, end = _PRICE_PRESETS[preset]
        return PriceRange(start=start, below=end)
    if not min_price or not max_price:
        return PriceRange()
    return PriceRange(start=_parse_price(min_price), end=_parse_price(max_price))


def _parse_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except ArithmeticError:
        raise BadParameter("A price must be a number.") from None
    if not price.is_finite() or len(text) > _MAX_PRICE_LENGTH:
        raise BadParameter("A price must be a number.")
    # Values outside these bounds filter like the bounds, and PostgreSQL refuses exponents that
    # Python accepts.
    if price < _MIN_PRICE:
        return Decimal(0)
    return min(price, _MAX_PRICE)
