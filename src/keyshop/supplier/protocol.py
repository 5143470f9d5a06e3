"""The calls to a supplier."""

from decimal import Decimal
from typing import Final, Protocol

from keyshop.supplier.models import (
    EVERYTHING,
    DeliveredKey,
    OrderDetails,
    Payment,
    PlacedOrder,
    Product,
    ProductFilter,
    ProductPage,
)

PAGE_SIZE: Final = 20  # products on a page of the list (G2A buyer API, GET /v1/products)
LAST_PAGE: Final = 500  # no filter shows more pages than this


class Supplier(Protocol):
    """
    A marketplace that sells keys.

    A call that fails raises one of the errors in `supplier.errors`, and nothing else.
    """

    async def list_products(self, page: int, *, only: ProductFilter = EVERYTHING) -> ProductPage:
        """Return one page of the list, 20 products at most, sorted by id; pages start at 1."""
        ...

    async def find_product(self, product_id: str) -> Product | None:
        """Return the product, or None when the supplier lists none with this id."""
        ...

    async def place_order(self, product_id: str, *, max_price: Decimal) -> PlacedOrder:
        """Order one key for at most `max_price` EUR. Never retried."""
        ...

    async def pay_order(self, order_id: str) -> Payment:
        """Pay the order from the wallet. Never retried."""
        ...

    async def get_order(self, order_id: str) -> OrderDetails:
        """Return the supplier's state and price of the order."""
        ...

    async def fetch_key(self, order_id: str) -> DeliveredKey:
        """Fetch the key, which the supplier hands out once. Never retried."""
        ...
