"""What the catalogue is given by the supplier's side, and what it answers; money in EUR."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Offer(Struct, frozen=True, kw_only=True):
    """
    The supplier's word on price and stock of one product.

    `price` is what the shop asks. None in `price` or `in_stock` leaves the game's own as it is.
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
    """The supplier's word on what a product is; None and empty leave the game's own as it is."""

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
    """A product as it goes into the catalogue; without a description only its offer counts."""

    offer: Offer
    description: Description | None


class MergeResult(Struct, frozen=True, kw_only=True):
    """What a batch did to the catalogue."""

    added: int
    updated: int
    relinked: int
    unknown: tuple[str, ...]
    genres_created: int
    platforms_created: int
    categories_created: int


class KnownGame(Struct, frozen=True):
    """A staged product and how the game that stands for it differs; no game: it is new."""

    product_id: str
    game_id: str | None
    game_differs: bool
    memory_differs: bool
    links_differ: bool
