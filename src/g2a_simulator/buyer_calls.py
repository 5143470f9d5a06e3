"""The five calls of the buyer API."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.catalogue import PAGE_SIZE
from g2a_simulator.edits import MAX_UINT32, parse_time
from g2a_simulator.errors import Refusal
from g2a_simulator.faults import Endpoint, Fault
from g2a_simulator.listing import ListingFilter
from g2a_simulator.market import Market
from g2a_simulator.messages import Reply, Request
from g2a_simulator.orders import Order
from g2a_simulator.trading import hand_out_key, pay_order, place_order, raise_price, sell_out

_PAGE = b'{"total":%d,"page":%d,"docs":[%s]}'


class NewOrder(msgspec.Struct):
    """The body of an order; unknown fields are ignored."""

    product_id: str
    currency: str = "EUR"
    max_price: int | float = 0
    min_rating: int | float = 0
    auction_id: object = None


def perform_call(
    market: Market, request: Request, endpoint: Endpoint, order_id: str, fault: Fault | None
) -> Reply:
    """
    Perform one call, and return its reply.

    Raises:
        Refusal: the supplier refuses the call.
    """
    if endpoint == "products":
        short = fault is not None and fault.kind == "short_page"
        return _list_products(market, request, short=short)
    if endpoint == "order":
        return _place_order(market, request, fault)
    order = _find_order(market, order_id)
    if endpoint == "pay":
        paid = pay_order(market, order)
        return _json({"status": True, "transaction_id": paid.transaction_id})
    if endpoint == "details":
        status = market.order_status(order)
        return _json({"status": status, "price": _number(order.price), "currency": order.currency})
    key = hand_out_key(market, order)
    return _json({"key": key, "isFile": market.settings.keys_are_files})


def _list_products(market: Market, request: Request, *, short: bool) -> Reply:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    page = _read_page_number(query, ceiling=market.settings.page_ceiling)
    filters = _read_filter(query)
    market.catalogue.with_description = market.settings.description
    if "id" in query:
        found = market.catalogue.single(_read_product_id(query["id"]), filters)
        total, products = len(found), found if page == 1 else []
    else:
        total, products = market.catalogue.page(filters, page)
    if short:
        products = products[: min(len(products) // 2, PAGE_SIZE // 2)]
    return Reply(200, _PAGE % (total, page, b",".join(products)))


def _read_page_number(query: dict[str, str], *, ceiling: int | None) -> int:
    text = query.get("page", "1")
    page = _read_whole_number(text, code="PR02")
    if page < 1 or (ceiling is not None and page > ceiling):
        raise Refusal("PR02")
    return page


def _read_product_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 20:
        raise Refusal("PR01")
    return int(text)


def _read_filter(query: dict[str, str]) -> ListingFilter:
    """Read the filters. Both ends of a range are inclusive; times are UTC."""
    min_qty = _read_whole_number(query["minQty"], code="PR03") if "minQty" in query else 0
    return ListingFilter(
        min_qty=min_qty,
        price_from=_read_price(query.get("minPriceFrom"), code="PR04", rounding=ROUND_CEILING),
        price_to=_read_price(query.get("minPriceTo"), code="PR05", rounding=ROUND_FLOOR),
        updated_from=_read_time(query.get("updatedAtFrom")),
        updated_to=_read_time(query.get("updatedAtTo")),
        include_out_of_stock=_read_flag(query.get("includeOutOfStock", "false")),
    )


def _read_whole_number(text: str, *, code: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        raise Refusal(code)
    return int(text)


def _read_price(text: str | None, *, code: str, rounding: str) -> int | None:
    if text is None:
        return None
    try:
        price = float(text)
    except ValueError:
        raise Refusal(code) from None
    if not math.isfinite(price) or price < 0 or price * 100 > MAX_UINT32:
        raise Refusal(code)
    # From the text: the float 4.35 is a little less than 4.35, and would lose a cent.
    return int((Decimal(text) * 100).to_integral_value(rounding))


def _read_time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError:
        raise Refusal("BR08") from None


def _read_flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Refusal("BR08")
    return text == "true"


def _place_order(market: Market, request: Request, fault: Fault | None) -> Reply:
    new = _read_order(request)
    kind = None if fault is None else fault.kind
    if kind == "price_moved":
        raise_price(market, new.product_id)
    if kind == "stock_gone":
        sell_out(market, new.product_id)
    order = place_order(
        market, new.product_id, currency=new.currency, max_price=Decimal(str(new.max_price))
    )
    return _json({"order_id": order.id, "price": _number(order.price), "currency": order.currency})


def _read_order(request: Request) -> NewOrder:
    """
    Read the body of an order.

    Raises:
        Refusal: CTTYPE, BR01 or BR02, in this order.
    """
    kind = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if request.body and kind != b"application/json":
        raise Refusal("CTTYPE")
    try:
        # In two steps: the supplier has one code for invalid JSON and another for an invalid order.
        order = msgspec.convert(msgspec.json.decode(request.body), NewOrder)
    except msgspec.ValidationError:
        raise Refusal("BR02") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal("BR01") from None
    limited = bool(order.max_price or order.min_rating)
    if order.max_price < 0 or not 0 <= order.min_rating <= 1 or (order.auction_id and limited):
        raise Refusal("BR02")
    return order


def _find_order(market: Market, order_id: str) -> Order:
    if not (order_id.isascii() and order_id.isdecimal()):
        raise Refusal("ORD01")
    order = market.orders.find(order_id)
    if order is None:
        raise Refusal("ORD02")
    return order


def _number(amount: Decimal) -> int | float:
    """Return a price as the supplier writes it: as an integer when it is one."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _json(value: dict[str, object]) -> Reply:
    return Reply(200, msgspec.json.encode(value))
