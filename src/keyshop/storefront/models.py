"""The shapes a visitor gets; names and order of the fields are the frontend's."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field


class Game(Struct, frozen=True, kw_only=True, rename="camel"):
    """A game as every list and the detail page show it."""

    id: str
    title: str
    slug: str
    description: str
    short_description: str | None
    price: Decimal
    original_price: Decimal | UnsetType = UNSET
    """Absent when there is none."""

    discount: int | UnsetType = UNSET
    """Per cent; absent when there is none."""

    currency: str
    image: str
    images: list[str]
    in_stock: bool
    release_date: str
    metacritic_score: int | None
    user_rating: Decimal | UnsetType = UNSET
    """Absent as long as nobody has rated it."""

    age_rating: str | None
    multiplayer: bool
    activation_service: str | None
    region: str | None
    publisher: str | None
    is_best_seller: bool
    is_new: bool
    is_preorder: bool
    platforms: list[str]
    genres: list[str]
    tags: list[str]
    categories: list[str]


class GamePage(Struct, frozen=True, rename="camel"):
    """One page of the catalogue."""

    data: list[Game]
    total: int
    page: int
    page_size: int
    total_pages: int


class Suggestion(Struct, frozen=True, rename="camel"):
    """A game offered while somebody is typing."""

    id: str
    title: str
    image: str
    slug: str
    relevance_score: float
    """From 0 to 1, best first."""


class NamedSlug(Struct, frozen=True, rename="camel"):
    """A genre or a platform."""

    name: str
    slug: str


class FilterOptions(Struct, frozen=True, rename="camel"):
    """Every value the catalogue can be filtered by."""

    genres: list[NamedSlug]
    platforms: list[NamedSlug]
    activation_services: list[str]
    regions: list[str]
    publishers: list[str]
    multiplayer: list[bool] = field(default_factory=lambda: [True, False])


class Collection(Struct, frozen=True, rename="camel"):
    """The games of one large genre or publisher."""

    id: str
    title: str
    type: Literal["genre", "publisher"]
    value: str
    games: list[Game]


class Sort(StrEnum):
    """The orders of the catalogue."""

    POPULAR = "popular"  # best rated first, unrated last
    NEWEST = "newest"  # latest release first
    PRICE_ASCENDING = "price-asc"
    PRICE_DESCENDING = "price-desc"
    LATEST_ENTRY = ""  # what came into the catalogue last; any name that is not above


class CatalogueFilter(Struct, frozen=True, kw_only=True):
    """What somebody wants to see of the catalogue; an empty list filters nothing."""

    search: str | None = None
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    """Inclusive."""

    price_below: Decimal | None = None
    in_stock_only: bool = False
    platforms: list[str] = []
    genres: list[str] = []
    activation_services: list[str] = []
    regions: list[str] = []
    publishers: list[str] = []
    multiplayer: bool | None = None
