"""The data of a supplier in the shop's own types; money in EUR."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from keyshop.kit.secrets import Secret


class Product(Struct, frozen=True, kw_only=True):
    """
    One product of the supplier's list, from a valid answer.

    A price is None when the supplier named none above zero. Texts and lists that it did not send
    are empty.
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
    """One entry of a page that is not valid, and the reason."""

    id: str | None
    reason: str


class ProductPage(Struct, frozen=True, kw_only=True):
    """One page of the list: valid and rejected entries, and how many products match the filter."""

    number: int
    total: int
    products: tuple[Product, ...]
    rejected: tuple[RejectedProduct, ...]


class ProductFilter(Struct, frozen=True, kw_only=True):
    """Which products to list; a bound that is None does not filter."""

    min_price_from: Decimal | None = None
    min_price_to: Decimal | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    include_out_of_stock: bool = True


EVERYTHING: Final = ProductFilter()


class PlacedOrder(Struct, frozen=True, kw_only=True):
    """An order that the supplier accepted, and holds for 30 minutes until it is paid."""

    id: str
    price: Decimal
    currency: str


class Payment(Struct, frozen=True, kw_only=True):
    """A payment that the supplier accepted."""

    transaction_id: str


class OrderDetails(Struct, frozen=True, kw_only=True):
    """The state and price of an order. The supplier documents no list of states: it is a text."""

    status: str
    price: Decimal
    currency: str


class DeliveredKey(Struct, frozen=True, kw_only=True):
    """A key, which is handed out once; with `is_file`, the text refers to a file."""

    key: Secret
    is_file: bool
