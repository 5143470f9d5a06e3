"""Decode the answers about orders, payments and keys."""

from typing import Final

import msgspec

from keyshop.gateways.g2a.values import clean_text, find_digits, read_flag, read_number, read_price
from keyshop.gateways.g2a.wire import (
    DetailsWire,
    KeyWire,
    MalformedResponse,
    OrderWire,
    PaymentWire,
    decode,
)
from keyshop.kit.secrets import Secret
from keyshop.supplier.models import DeliveredKey, OrderDetails, Payment, PlacedOrder

_MAX_WORD: Final = 200  # characters

_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def read_placed_order(body: bytes) -> PlacedOrder:
    """
    Return the accepted order.

    Raises:
        MalformedResponse: it has no valid id or price.
    """
    order = decode(OrderWire, body)
    order_id = find_digits(order.order_id)
    price = read_price("price", order.price)
    if order_id is None or price is None:
        raise MalformedResponse("The answer to the order has no id or no price.")
    return PlacedOrder(id=order_id, price=price, currency=_read_currency(order.currency))


def read_payment(body: bytes) -> Payment:
    """
    Return the accepted payment.

    Raises:
        MalformedResponse: it does not confirm the payment, or has no transaction id.
    """
    payment = decode(PaymentWire, body)
    transaction_id = clean_text(payment.transaction_id, limit=_MAX_WORD)
    if not read_flag("status", payment.status, absent=False) or not transaction_id:
        raise MalformedResponse("The answer does not confirm the payment.")
    return Payment(transaction_id=transaction_id)


def read_details(body: bytes) -> OrderDetails:
    """
    Return the state and the price of the order.

    Raises:
        MalformedResponse: its state or its price is missing.
    """
    details = decode(DetailsWire, body)
    status = clean_text(details.status, limit=_MAX_WORD)
    price = read_number("price", details.price)
    if not status or price is None:
        raise MalformedResponse("The details of the order have no status or no price.")
    return OrderDetails(status=status, price=price, currency=_read_currency(details.currency))


def read_key(body: bytes) -> DeliveredKey:
    """
    Return the key exactly as it arrived: it is handed out once, so no part of it may be lost.

    Raises:
        MalformedResponse: the answer has no key.
    """
    answer = decode(KeyWire, body)
    if answer.key is None or answer.key == "":
        raise MalformedResponse("The answer has no key.")
    is_file = answer.is_file is True or str(answer.is_file).lower() in {"true", "1"}
    return DeliveredKey(key=Secret(_as_text(answer.key)), is_file=is_file)


def _read_currency(value: object) -> str:
    # An order without a currency is in EUR, as all our orders are.
    return clean_text(value, limit=_MAX_WORD).upper() or "EUR"


def _as_text(key: object) -> str:
    if isinstance(key, str):
        return key
    return _JSON.encode(key).decode()
