"""Decisions about games: the price, the name in an address, what stands where a value is absent."""

import re
import unicodedata
from collections.abc import Container
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from keyshop.kit.money import cents

MARKUP: Final = Decimal("1.02")
HIGHEST_PRICE: Final = Decimal("99999999.99")  # what a DECIMAL(10,2) column holds, in EUR

# What a game shows when the supplier never told; each can be told from a real value.
UNKNOWN_RELEASE_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC)
NO_COVER: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 230 336'%3E"
    "%3Crect width='230' height='336' fill='%23667'/%3E%3C/svg%3E"
)

_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")
_SLUG_LENGTH: Final = 120  # characters; longer titles are cut at a word


class PriceBasis(StrEnum):
    """Which of the supplier's two prices the markup is added to."""

    HIGHEST = "highest"  # the higher of the two, since either may be the one charged
    MIN_PRICE = "minPrice"  # the listed minimal price
    RETAIL = "retail"  # the minimal price for retail users, with fees


def supplier_price(
    *, min_price: Decimal | None, retail_min_price: Decimal | None, basis: PriceBasis
) -> Decimal | None:
    """Return the price in EUR that the supplier is taken to ask, or None when it names none."""
    match basis:
        case PriceBasis.HIGHEST:
            named = [price for price in (min_price, retail_min_price) if price is not None]
            return max(named, default=None)
        case PriceBasis.MIN_PRICE:
            return min_price
        case PriceBasis.RETAIL:
            return retail_min_price


def shop_price(price: Decimal) -> Decimal:
    """Return what the shop asks for what costs `price` EUR at the supplier: 2 % more, in cents."""
    return cents(price * MARKUP)


def slugify(text: str) -> str:
    """Return the text as a part of an address: a-z, 0-9 and single hyphens; empty if none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = _NOT_IN_SLUG.sub("-", plain).strip("-")
    if len(slug) <= _SLUG_LENGTH:
        return slug
    return slug[: _SLUG_LENGTH + 1].rpartition("-")[0] or slug[:_SLUG_LENGTH]


def loses_letters(text: str) -> bool:
    """Test whether the text has letters or digits that its slug cannot show."""
    return any(c.isalnum() and not c.isascii() for c in unicodedata.normalize("NFKD", text))


def choose_slug(title: str, *, apart: str, taken: Container[str]) -> str:
    """
    Return a slug for the title that is not taken.

    Two things of one name are told apart by `apart`, which is the thing's own (its id at the
    supplier, or a part of it).
    """
    plain = slugify(title)
    if plain and plain not in taken:
        return plain
    numbered = f"{plain}-{apart}" if plain else apart
    slug, number = numbered, 2
    while slug in taken:
        slug, number = f"{numbered}-{number}", number + 1
    return slug
