"""The buyer API of G2A behind the protocol of `supplier`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
import stamina
from msgspec import Struct

from keyshop.gateways.g2a.budget import BudgetExhausted
from keyshop.gateways.g2a.calls import DETAILS, KEY, ORDER, PAY, PRODUCTS, Call
from keyshop.gateways.g2a.exchange import Exchange
from keyshop.gateways.g2a.read_orders import (
    read_details,
    read_key,
    read_payment,
    read_placed_order,
)
from keyshop.gateways.g2a.read_products import read_page, read_product
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

# Prices are sent as JSON numbers: G2A refuses a limit that is a JSON text.
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


class Retries(Struct, frozen=True, kw_only=True):
    """How often and how long a call without an effect is repeated; times in seconds."""

    attempts: int = 5
    timeout: float = 45.0
    initial_wait: float = 0.5
    max_wait: float = 10.0
    jitter: float = 1.0


DEFAULT_RETRIES: Final = Retries()


class G2AClient:
    """
    A supplier that is a G2A account.

    Calls without an effect are retried while G2A is unavailable. An order, a payment and the
    request for a key are sent once.
    """

    def __init__(self, exchange: Exchange, *, retries: Retries = DEFAULT_RETRIES) -> None:
        self._exchange = exchange
        self._retries = retries

    async def list_products(self, page: int, *, only: ProductFilter = EVERYTHING) -> ProductPage:
        """Return one page of the list, 20 products at most, sorted by id; pages start at 1."""
        query = urlencode({"page": page} | _query(only))
        return await self._perform_with_retries(
            PRODUCTS, f"/products?{query}", read=partial(read_page, number=page)
        )

    async def find_product(self, product_id: str) -> Product | None:
        """Return the product, or None when the supplier lists none with this id."""
        digits = _require_digits(product_id, what="product", code="PR01")
        # Without the flag, a product that is out of stock is not listed.
        query = urlencode({"id": digits, "includeOutOfStock": "true"})
        return await self._perform_with_retries(
            PRODUCTS, f"/products?{query}", read=partial(read_product, product_id=digits)
        )

    async def place_order(self, product_id: str, *, max_price: Decimal) -> PlacedOrder:
        """Order one key for at most `max_price` EUR. Never retried."""
        digits = _require_digits(product_id, what="product", code="PR01")
        if not max_price.is_finite() or max_price <= 0:
            # For G2A, 0 means any price.
            raise SupplierRefused("The highest price of an order must be above 0.")
        body = _JSON.encode({"product_id": digits, "currency": "EUR", "max_price": max_price})
        return await self._exchange.perform(ORDER, "/order", read=read_placed_order, body=body)

    async def pay_order(self, order_id: str) -> Payment:
        """Pay the order from the wallet. Never retried."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._exchange.perform(PAY, f"/order/pay/{order}", read=read_payment)

    async def get_order(self, order_id: str) -> OrderDetails:
        """Return the supplier's state and price of the order."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._perform_with_retries(
            DETAILS, f"/order/details/{order}", read=read_details
        )

    async def fetch_key(self, order_id: str) -> DeliveredKey:
        """Fetch the key, which the supplier hands out once. Never retried."""
        order = _require_digits(order_id, what="order", code="ORD01")
        return await self._exchange.perform(KEY, f"/order/key/{order}", read=read_key)

    async def _perform_with_retries(
        self, call: Call, path: str, *, read: Callable[[bytes], _Answer]
    ) -> _Answer:
        # Not the decorator: with it, stamina logs the arguments of the function.
        async for attempt in stamina.retry_context(
            on=_is_retryable,
            attempts=self._retries.attempts,
            timeout=self._retries.timeout,
            wait_initial=self._retries.initial_wait,
            wait_max=self._retries.max_wait,
            wait_jitter=self._retries.jitter,
        ):
            with attempt:
                return await self._exchange.perform(call, path, read=read)
        raise AssertionError  # stamina raises the last error itself


def _is_retryable(error: Exception) -> bool:
    # The call has already waited as long as the budget allows; a retry would wait again.
    return isinstance(error, SupplierUnavailable) and not isinstance(error, BudgetExhausted)


def _require_digits(given: str, *, what: str, code: str) -> str:
    digits = find_digits(given)
    if digits is None:
        raise SupplierRefused(f"The id of a {what} of G2A consists of digits only.", code=code)
    return digits


def _query(only: ProductFilter) -> dict[str, str]:
    bounds = {
        "minPriceFrom": _as_number(only.min_price_from),
        "minPriceTo": _as_number(only.min_price_to),
        "updatedAtFrom": _as_moment(only.updated_from),
        # G2A reads whole seconds, so the upper bound is rounded up.
        "updatedAtTo": _as_moment(only.updated_to, round_up=True),
        "includeOutOfStock": "true" if only.include_out_of_stock else "false",
    }
    return {name: value for name, value in bounds.items() if value is not None}


def _as_number(price: Decimal | None) -> str | None:
    return None if price is None else format(price, "f")


def _as_moment(moment: datetime | None, *, round_up: bool = False) -> str | None:
    if moment is None:
        return None
    if round_up and moment.microsecond:
        moment += timedelta(seconds=1)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
