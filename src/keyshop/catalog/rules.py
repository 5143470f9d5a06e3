"""Decisions about games: the price, the slug, and the placeholders for missing values."""

import re
import unicodedata
from collections.abc import Container
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from keyshop.kit.money import cents

MARKUP: Final = Decimal("1.02")
MAX_PRICE: Final = Decimal("99999999.99")  # what a DECIMAL(10,2) column holds, in EUR

# Placeholders for values that the supplier never sent. No real game has either of them.
UNKNOWN_RELEASE_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC)
NO_COVER: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 230 336'%3E"
    "%3Crect width='230' height='336' fill='%23667'/%3E%3C/svg%3E"
)

_NON_SLUG_CHARACTERS: Final = re.compile(r"[^a-z0-9]+")
_MAX_SLUG_LENGTH: Final = 120  # characters; longer titles are cut at a word


class PriceBasis(StrEnum):
    """Which of the supplier's two prices the markup is added to."""

    HIGHEST = "highest"  # the higher of the two, since either may be the one charged
    MIN_PRICE = "minPrice"  # the listed minimal price
    RETAIL = "retail"  # the minimal price for retail users, with fees


def supplier_price(
    *, min_price: Decimal | None, retail_min_price: Decimal | None, basis: PriceBasis
) -> Decimal | None:
    """Return the supplier's price in EUR on this basis, or None when the supplier named none."""
    match basis:
        case PriceBasis.HIGHEST:
            prices = [price for price in (min_price, retail_min_price) if price is not None]
            return max(prices, default=None)
        case PriceBasis.MIN_PRICE:
            return min_price
        case PriceBasis.RETAIL:
            return retail_min_price


def shop_price(price: Decimal) -> Decimal:
    """Return the shop's price in EUR, rounded to cents, for a supplier's price: 2 % more."""
    return cents(price * MARKUP)


def slugify(text: str) -> str:
    """Return the text as a slug of a-z, 0-9 and single hyphens; empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = _NON_SLUG_CHARACTERS.sub("-", plain).strip("-")
    if len(slug) <= _MAX_SLUG_LENGTH:
        return slug
    return slug[: _MAX_SLUG_LENGTH + 1].rpartition("-")[0] or slug[:_MAX_SLUG_LENGTH]


def loses_letters(text: str) -> bool:
    """Test whether the text has letters or digits that its slug cannot show."""
    return any(c.isalnum() and not c.isascii() for c in unicodedata.normalize("NFKD", text))


def choose_slug(title: str, *, suffix: str, taken: Container[str]) -> str:
    """
    Return a slug for the title that is not taken.

    `suffix` tells two games of one title apart: the id of the product, or a part of it.
    """
    plain = slugify(title)
    if plain and plain not in taken:
        return plain
    suffixed = f"{plain}-{suffix}" if plain else suffix
    slug, number = suffixed, 2
    while slug in taken:
        slug, number = f"{suffixed}-{number}", number + 1
    return slug
