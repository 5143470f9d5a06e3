"""Place and pay orders, and hand out keys."""

import uuid
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from g2a_simulator.errors import Refusal
from g2a_simulator.market import Market
from g2a_simulator.orders import Order

# The price of one euro; the supplier documents neither the currencies it accepts nor its rates.
_RATES = {
    "EUR": Decimal(1),
    "USD": Decimal("1.08"),
    "GBP": Decimal("0.86"),
    "PLN": Decimal("4.30"),
}


def place_order(market: Market, product_id: str, *, currency: str, max_price: Decimal) -> Order:
    """
    Take one key of a product out of stock until it is paid or the hold expires.

    `max_price` is compared with `minPrice`, whatever is charged; 0 means no limit.

    Raises:
        Refusal: no such product, no stock, too low a `max_price`, or an unknown currency.
    """
    place = market.find_place(product_id)
    if place is None:
        raise Refusal("BR04")
    if currency not in _RATES:
        raise Refusal("BR02", message=f"Currency {currency} is not supported")
    inventory, now = market.catalogue.inventory, market.clock()
    # The sandbox sells although it shows every product as not available.
    is_unavailable = market.mode == "realistic" and not market.catalogue.is_buyable(place)
    if inventory.qty[place] == 0 or is_unavailable:
        raise Refusal(market.settings.out_of_stock, message="Product is out of stock")
    if max_price and Decimal(inventory.min_price[place]) / 100 > max_price:
        raise Refusal(market.settings.above_max_price, message="No offer below max_price")
    market.catalogue.set_stock(place, inventory.qty[place] - 1, now=int(now.timestamp()))
    return _add_order(market, place, currency=currency, now=now)


def _add_order(market: Market, place: int, *, currency: str, now: datetime) -> Order:
    inventory = market.catalogue.inventory
    charges_min_price = market.settings.charged == "minPrice"
    prices = inventory.min_price if charges_min_price else inventory.retail_price
    charge = Decimal(prices[place]) / 100
    price = (charge * _RATES[currency]).quantize(Decimal("0.01"), ROUND_HALF_UP)
    order = Order(
        id=market.orders.free_id(sandbox=market.mode == "sandbox", now=now),
        product_id=str(market.catalogue.index.id_of(place)),
        price=price,
        currency=currency,
        charge=charge,
        created_at=now,
    )
    market.orders.add(order)
    return order


def pay_order(market: Market, order: Order) -> Order:
    """
    Pay an order from the wallet. A second payment charges nothing and has the same answer.

    Raises:
        Refusal: too late, too little money, or a second payment where that is refused.
    """
    now = market.clock()
    if order.paid_at is not None:
        if market.settings.second_payment != "same answer":
            raise Refusal(market.settings.second_payment)
        return order
    if order.released:
        raise Refusal("ORD114")
    transaction = str(uuid.uuid4())
    market.wallet.pay(order.charge, order_id=order.id, transaction_id=transaction, now=now)
    order.paid_at, order.transaction_id = now, transaction
    market.orders.changed.add(order.id)
    return order


def hand_out_key(market: Market, order: Order) -> str:
    """
    Return the order's key, once.

    Raises:
        Refusal: the order is not paid or not complete yet, or the key was handed out before.
    """
    if order.paid_at is None:
        raise Refusal("ORD05")
    if market.order_status(order) != "complete":
        raise Refusal(market.settings.not_processed_yet)
    if order.key_shown_at is not None:
        code, _, status = market.settings.downloaded_already.partition(" ")
        raise Refusal(code, status=int(status) if status else None)
    order.key_shown_at = market.clock()
    market.orders.changed.add(order.id)
    return market.key_of(order)


def raise_price(market: Market, product_id: str) -> None:
    """Raise a product's price by a quarter, if the product is on offer."""
    place = market.find_place(product_id)
    if place is not None:
        price = market.catalogue.inventory.min_price[place]
        market.catalogue.set_price(place, price + max(price // 4, 1), now=market.seconds())


def sell_out(market: Market, product_id: str) -> None:
    """Sell the last keys of a product, if the product is on offer."""
    place = market.find_place(product_id)
    if place is not None:
        market.catalogue.set_stock(place, 0, now=market.seconds())
