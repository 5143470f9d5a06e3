"""G2A as a supplier: the buyer API behind the protocol of `supplier`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
import stamina
from msgspec import Struct

from keyshop.gateways.g2a.budget import BudgetSpent
from keyshop.gateways.g2a.calls import DETAILS, KEY, ORDER, PAY, PRODUCTS, Call
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.gateways.g2a.translation import (
    read_details,
    read_key,
    read_page,
    read_payment,
    read_placed_order,
    read_product,
)
from keyshop.gateways.g2a.values import find_digits
from keyshop.supplier.errors import SupplierRefused, SupplierUnavailable
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

_Answer = TypeVar("_Answer")

# Prices leave as JSON numbers: G2A refuses a limit that is written as a text.
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


class Retries(Struct, frozen=True, kw_only=True):
    """How often and how long a call that changes nothing is repeated; times in seconds."""

    attempts: int = 5
    total: float = 45.0
    first_wait: float = 0.5
    longest_wait: float = 10.0
    jitter: float = 1.0


DEFAULT_RETRIES: Final = Retries()


class G2AClient:
    """
    A G2A account.

    Questions are repeated while the supplier is unavailable; an order, a payment and the fetching
    of a key are sent once, whatever happens.
    """

    def __init__(self, exchange: Exchange, *, retries: Retries = DEFAULT_RETRIES) -> None:
        """Speak over the exchange."""
        self._exchange = exchange
        self._retries = retries

    async def list_products(self, page: int, *, only: ProductFilter = EVERYTHING) -> ProductPage:
        """Return one page of the list, 20 products at most, sorted by id; pages start at 1."""
        query = urlencode({"page": page} | _query(only))
        return await self._ask(PRODUCTS, f"/products?{query}", read=partial(read_page, number=page))

    async def find_product(self, product_id: str) -> Product | None:
        """Return the product, or None when the supplier lists none with this id."""
        wanted = _require_digits(product_id, what="product", code="PR01")
        # Without the flag, a product that is sold out looks as if it were gone.
        query = urlencode({"id": wanted, "includeOutOfStock": "true"})
        return await self._ask(
            PRODUCTS, f"/products?{query}", read=partial(read_product, product_id=wanted)
        )

    async def place_order(self, product_id: str, *, max_price: Decimal) -> PlacedOrder:
        """Order one key at `max_price` EUR at most. Never repeated by itself."""
        wanted = _require_digits(product_id, what="product", code="PR01")
        if not max_price.is_finite() or max_price <= 0:
            # To G2A, 0 means that any price will do.
            raise SupplierRefused("An order needs a highest price above 0.")
        body = _JSON.encode({"product_id": wanted, "currency": "EUR", "max_price": max_price})
        return await self._exchange.perform(ORDER, "/order", read=read_placed_order, body=body)

    async def pay_order(self, order_id: str) -> Payment:
        """Pay the order from the wallet. Never repeated by itself."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._exchange.perform(PAY, f"/order/pay/{order}", read=read_payment)

    async def get_order(self, order_id: str) -> OrderDetails:
        """Return what the supplier says of the order."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._ask(DETAILS, f"/order/details/{order}", read=read_details)

    async def fetch_key(self, order_id: str) -> DeliveredKey:
        """Fetch the key, which the supplier hands out once. Never repeated by itself."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._exchange.perform(KEY, f"/order/key/{order}", read=read_key)

    async def _ask(self, call: Call, path: str, *, read: Callable[[bytes], _Answer]) -> _Answer:
        # A block, not a decorated function: stamina logs the arguments of functions.
        async for attempt in stamina.retry_context(
            on=_may_repeat,
            attempts=self._retries.attempts,
            timeout=self._retries.total,
            wait_initial=self._retries.first_wait,
            wait_max=self._retries.longest_wait,
            wait_jitter=self._retries.jitter,
        ):
            with attempt:
                return await self._exchange.perform(call, path, read=read)
        raise AssertionError  # stamina raises the last error itself


def _may_repeat(error: Exception) -> bool:
    # The budget has made the call wait as long as it may; another wait would only double that.
    return isinstance(error, SupplierUnavailable) and not isinstance(error, BudgetSpent)


def _require_digits(given: str, *, what: str, code: str) -> str:
    digits = find_digits(given)
    if digits is None:
        raise SupplierRefused(f"A {what} of G2A has an id of digits only.", code=code)
    return digits


def _query(only: ProductFilter) -> dict[str, str]:
    bounds = {
        "minPriceFrom": _as_number(only.min_price_from),
        "minPriceTo": _as_number(only.min_price_to),
        "updatedAtFrom": _as_moment(only.updated_from),
        # Seconds are the finest that G2A reads, so the upper bound is rounded up.
        "updatedAtTo": _as_moment(only.updated_to, up=True),
        "includeOutOfStock": "true" if only.include_out_of_stock else "false",
    }
    return {name: value for name, value in bounds.items() if value is not None}


def _as_number(price: Decimal | None) -> str | None:
    return None if price is None else format(price, "f")


def _as_moment(moment: datetime | None, *, up: bool = False) -> str | None:
    if moment is None:
        return None
    if up and moment.microsecond:
        moment += timedelta(seconds=1)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
