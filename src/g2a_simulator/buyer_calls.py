"""The five calls of the buyer's API: what each reads, does and answers."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.catalogue import PAGE_SIZE
from g2a_simulator.edits import MAX_FIGURE, moment
from g2a_simulator.errors import Refusal
from g2a_simulator.faults import Endpoint, Fault
from g2a_simulator.listing import ProductFilter
from g2a_simulator.market import Market
from g2a_simulator.messages import Reply, Request
from g2a_simulator.orders import Order

_PAGE = b'{"total":%d,"page":%d,"docs":[%s]}'


class NewOrder(msgspec.Struct):
    """The body of an order; unknown fields are ignored."""

    product_id: str
    currency: str = "EUR"
    max_price: int | float = 0
    min_rating: int | float = 0
    auction_id: object = None


def do(
    market: Market, request: Request, endpoint: Endpoint, order_id: str, fault: Fault | None
) -> Reply:
    """
    Carry out one call.

    Raises:
        Refusal: the supplier says no.
    """
    if endpoint == "products":
        short = fault is not None and fault.kind == "short_page"
        return _list_products(market, request, short=short)
    if endpoint == "order":
        return _place_order(market, request, fault)
    order = _find_order(market, order_id)
    if endpoint == "pay":
        paid = market.pay_order(order)
        return _json({"status": True, "transaction_id": paid.transaction_id})
    if endpoint == "details":
        status = market.order_status(order)
        return _json({"status": status, "price": _number(order.price), "currency": order.currency})
    key = market.hand_out_key(order)
    return _json({"key": key, "isFile": market.settings.keys_are_files})


def _list_products(market: Market, request: Request, *, short: bool) -> Reply:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    page = _page_number(query, ceiling=market.settings.page_ceiling)
    wanted = _product_filter(query)
    market.catalogue.with_description = market.settings.description
    if "id" in query:
        found = market.catalogue.single(_product_id(query["id"]), wanted)
        total, products = len(found), found if page == 1 else []
    else:
        total, products = market.catalogue.page(wanted, page)
    if short:
        products = products[: min(len(products) // 2, PAGE_SIZE // 2)]
    return Reply(200, _PAGE % (total, page, b",".join(products)))


def _page_number(query: dict[str, str], *, ceiling: int | None) -> int:
    text = query.get("page", "1")
    page = _whole(text, code="PR02")
    if page < 1 or (ceiling is not None and page > ceiling):
        raise Refusal("PR02")
    return page


def _product_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 20:
        raise Refusal("PR01")
    return int(text)


def _product_filter(query: dict[str, str]) -> ProductFilter:
    """Read the filters; both ends of a range are inclusive, times are UTC."""
    min_qty = _whole(query["minQty"], code="PR03") if "minQty" in query else 0
    return ProductFilter(
        min_qty=min_qty,
        price_from=_price(query.get("minPriceFrom"), code="PR04", rounding=ROUND_CEILING),
        price_to=_price(query.get("minPriceTo"), code="PR05", rounding=ROUND_FLOOR),
        updated_from=_time(query.get("updatedAtFrom")),
        updated_to=_time(query.get("updatedAtTo")),
        include_out_of_stock=_flag(query.get("includeOutOfStock", "false")),
    )


def _whole(text: str, *, code: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        raise Refusal(code)
    return int(text)


def _price(text: str | None, *, code: str, rounding: str) -> int | None:
    if text is None:
        return None
    try:
        price = float(text)
    except ValueError:
        raise Refusal(code) from None
    if not math.isfinite(price) or price < 0 or price * 100 > MAX_FIGURE:
        raise Refusal(code)
    # Through the text: 4.35 as a float is a little less, and would miss its own cent.
    return int((Decimal(text) * 100).to_integral_value(rounding))


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return moment(text)
    except ValueError:
        raise Refusal("BR08") from None


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Refusal("BR08")
    return text == "true"


def _place_order(market: Market, request: Request, fault: Fault | None) -> Reply:
    wanted = _read_order(request)
    kind = None if fault is None else fault.kind
    if kind == "price_moved":
        market.move_price(wanted.product_id)
    if kind == "stock_gone":
        market.sell_out(wanted.product_id)
    order = market.place_order(
        wanted.product_id, currency=wanted.currency, max_price=Decimal(str(wanted.max_price))
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
        # In two steps, as the supplier tells broken JSON from JSON that is no order.
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
    """Return a price as the supplier writes it, a whole number when it is one."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _json(value: dict[str, object]) -> Reply:
    return Reply(200, msgspec.json.encode(value))
