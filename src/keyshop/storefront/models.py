"""The shapes of answers; the frontend defines the names and the order of the fields."""

from decimal import Decimal
from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field


class Game(Struct, frozen=True, kw_only=True, rename="camel"):
    """A game as every list and the detail page show it. A field that is UNSET is left out."""

    id: str
    title: str
    slug: str
    description: str
    short_description: str | None
    price: Decimal
    original_price: Decimal | UnsetType = UNSET
    discount: int | UnsetType = UNSET
    """Per cent."""

    currency: str
    image: str
    images: list[str]
    in_stock: bool
    release_date: str
    metacritic_score: int | None
    user_rating: Decimal | UnsetType = UNSET
    """Left out until the game has a rating."""

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
    """A game suggested while the visitor is typing."""

    id: str
    title: str
    image: str
    slug: str
    relevance_score: float
    """From 0 to 1."""


class NamedSlug(Struct, frozen=True, rename="camel"):
    """A genre or a platform, by name."""

    name: str
    slug: str


class FilterOptions(Struct, frozen=True, rename="camel"):
    """Every value that the catalogue can be filtered by."""

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
    """How the catalogue is sorted."""

    POPULAR = "popular"  # best rated first, unrated last
    NEWEST = "newest"  # latest release first
    PRICE_ASCENDING = "price-asc"
    PRICE_DESCENDING = "price-desc"
    LATEST_ENTRY = ""  # latest entry in the catalogue first; also for unknown names


class CatalogueFilter(Struct, frozen=True, kw_only=True):
    """The filters of the catalogue; None and an empty list filter nothing."""

    search: str | None = None
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    """`price_from` and `price_to` are inclusive."""

    price_below: Decimal | None = None
    in_stock_only: bool = False
    platforms: list[str] = []
    genres: list[str] = []
    activation_services: list[str] = []
    regions: list[str] = []
    publishers: list[str] = []
    multiplayer: bool | None = None


class CatalogueQuery(Struct, frozen=True, kw_only=True):
    """One page of the catalogue that a visitor asks for; pages start at 1."""

    filters: CatalogueFilter
    sort: Sort
    page: int
    page_size: int
