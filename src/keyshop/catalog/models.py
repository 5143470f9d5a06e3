"""What a merge reads from the supplier, and what it reports; money in EUR."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Offer(Struct, frozen=True, kw_only=True):
    """
    Price and stock of one product at the supplier.

    `price` is the shop's own price. None in `price` or `in_stock` keeps the game's present value.
    """

    product_id: str
    price: Decimal | None
    in_stock: bool | None
    qty: int
    available_to_buy: bool
    min_price: Decimal | None
    retail_min_price: Decimal | None
    retail_min_base_price: Decimal | None


class Description(Struct, frozen=True, kw_only=True):
    """The supplier's description of a product. None and empty keep the game's present value."""

    title: str
    image: str | None
    images: tuple[str, ...]
    region: str | None
    publisher: str | None
    release_date: datetime | None
    platform: str | None
    categories: tuple[str, ...]
    text: str | None


class SupplierGame(Struct, frozen=True, kw_only=True):
    """A product to merge into the catalogue. Without a description, only its offer is merged."""

    offer: Offer
    description: Description | None


class NewGame(Struct, frozen=True, kw_only=True):
    """A product that becomes a new game, with every value that a game must have."""

    id: str
    product_id: str
    slug: str
    price: Decimal
    in_stock: bool
    description: Description


class GameDifference(Struct, frozen=True):
    """A staged product and what differs in its game; no game: the product is new."""

    product_id: str
    game_id: str | None
    game_differs: bool
    offer_differs: bool
    links_differ: bool


class GameLinks(Struct):
    """The links of a game that the sync made, as ids of platforms, genres and categories."""

    game_id: str
    platform_links: list[str]
    genre_links: list[str]
    category_links: list[str]


class LinkResult(Struct, frozen=True, kw_only=True):
    """The links of each game that was linked again, and how many names were created for them."""

    links: Sequence[GameLinks] = ()
    platforms_created: int = 0
    genres_created: int = 0
    categories_created: int = 0


class MergeResult(Struct, frozen=True, kw_only=True):
    """What a batch changed in the catalogue; `unknown` are products without a game."""

    added: int
    updated: int
    relinked: int
    unknown: tuple[str, ...]
    genres_created: int
    platforms_created: int
    categories_created: int
