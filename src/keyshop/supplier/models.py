"""What a supplier tells us, in our own shapes; money in EUR."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.kit.secrets import Secret


class Product(Struct, frozen=True, kw_only=True):
    """
    One product of the supplier's list, as a valid answer described it.

    A price is absent where the supplier named none above zero. A text is empty, and a list is
    empty, where it gave nothing.
    """

    id: str
    name: str
    qty: int
    available_to_buy: bool
    min_price: Decimal | None
    retail_min_price: Decimal | None
    retail_min_base_price: Decimal | None
    platform: str
    region: str
    publisher: str
    developer: str
    categories: tuple[str, ...]
    release_date: datetime | None
    updated_at: datetime | None
    cover_image: str
    images: tuple[str, ...]
    description: str


class RejectedProduct(Struct, frozen=True, kw_only=True):
    """One entry of a page that must not be believed, and why."""

    id: str | None
    reason: str


class ProductPage(Struct, frozen=True, kw_only=True):
    """One page of the list: what can be used, what cannot, and how many the filter matches."""

    number: int
    total: int
    products: tuple[Product, ...]
    rejected: tuple[RejectedProduct, ...]


class ProductFilter(Struct, frozen=True, kw_only=True):
    """Which products a list call asks for; absent bounds do not bind. Prices in EUR."""

    min_price_from: Decimal | None = None
    min_price_to: Decimal | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    include_out_of_stock: bool = True


EVERYTHING: Final = ProductFilter()


class PlacedOrder(Struct, frozen=True, kw_only=True):
    """An order that the supplier accepted and holds unpaid for 30 minutes."""

    id: str
    price: Decimal
    currency: str


class Payment(Struct, frozen=True, kw_only=True):
    """A payment that the supplier accepted."""

    transaction_id: str


class OrderDetails(Struct, frozen=True, kw_only=True):
    """What the supplier says of an order; its list of states is not published, so it is a text."""

    status: str
    price: Decimal
    currency: str


class DeliveredKey(Struct, frozen=True, kw_only=True):
    """A key as it was handed out, once; `is_file` says that the text stands for a file."""

    key: Secret
    is_file: bool
