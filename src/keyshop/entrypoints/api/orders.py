"""Orders of the signed-in user at /api/orders."""

from typing import Annotated, Final

from litestar import MediaType, Response, Router, get, post
from litestar.params import PathParameter, QueryParameter

from keyshop.baskets.rules import may_be_game_id
from keyshop.entrypoints.http.dependencies import ApiShop, shop_of
from keyshop.entrypoints.http.headers import list_headers
from keyshop.entrypoints.http.identity import get_signed_in
from keyshop.entrypoints.http.openapi import BEARER, documented_responses
from keyshop.entrypoints.http.requests import (
    ApiRequest,
    CancelOrderBody,
    CreateOrderBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import JsonBytes, MessageBody, message_response
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.orders.answers import OrderAnswer
from keyshop.orders.cancel import cancel_own_order
from keyshop.orders.errors import BadIdempotencyKey, OrderNotFound
from keyshop.orders.list_orders import list_orders, list_orders_page
from keyshop.orders.place import PlaceRequest, place_order
from keyshop.orders.show_order import OrderReader, show_order, show_placed_order

_MAX_ID: Final = 200  # characters
_MAX_COUNT: Final = 100
_DEFAULT_COUNT: Final = 20

OrderId = Annotated[str, PathParameter(max_length=_MAX_ID, description="The order's id.")]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=_MAX_ID, description="The id of the last order of the page before."),
]
OrderCount = Annotated[
    int | None,
    QueryParameter(
        description=(
            f"Orders on a page, from 1 to {_MAX_COUNT}; other values are set to the limit."
            " Without it and a cursor, all orders are returned."
        )
    ),
]


@get(
    "/",
    responses=documented_responses(Envelope[list[OrderAnswer]], 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def orders(request: ApiRequest, cursor: Cursor = None, count: OrderCount = None) -> JsonBytes:
    """List the user's orders, the newest first; their keys are without text."""
    shop = shop_of(request.scope)
    now = utc_now()
    user_id = (await get_signed_in(request, shop, now=now)).user_id
    if cursor is None and count is None:
        return JsonBytes(await list_orders(shop.db, shop.cache, user_id=user_id, now=now))
    if cursor is not None and not may_be_game_id(cursor):
        raise OrderNotFound
    count = min(max(_DEFAULT_COUNT if count is None else count, 1), _MAX_COUNT)
    return JsonBytes(await list_orders_page(shop.db, user_id=user_id, after=cursor, count=count))


@get(
    "/{order_id:str}",
    responses=documented_responses(Envelope[OrderAnswer], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def order(request: ApiRequest, order_id: OrderId) -> JsonBytes:
    """Show one of the user's orders, with its keys."""
    shop = shop_of(request.scope)
    now = utc_now()
    user_id = (await get_signed_in(request, shop, now=now)).user_id
    if not may_be_game_id(order_id):
        raise OrderNotFound
    return JsonBytes(await show_order(_reader(shop), order_id=order_id, user_id=user_id, now=now))


@post(
    "/",
    responses=documented_responses(Envelope[OrderAnswer], 401, 404, 409, 413, 422, 429, status=201),
    opt=request_body(CreateOrderBody),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def place(request: ApiRequest) -> Response[bytes]:
    """
    Order games and pay for them from the balance.

    With the header Idempotency-Key, the same request places one order, however often it is sent within
    24 hours.
    """
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    body = await read_body(request, CreateOrderBody)
    placed = await place_order(
        shop.db,
        shop.orders,
        PlaceRequest(
            user_id=signed_in.user_id,
            family_id=signed_in.family_id,
            items=body.items,
            promo_code=body.promo_code,
            idempotency_key=_find_idempotency_key(request),
        ),
        now=now,
    )
    if placed.is_replayed:
        answer = await show_order(
            _reader(shop), order_id=placed.order_id, user_id=signed_in.user_id, now=now
        )
    else:
        answer = await show_placed_order(_reader(shop), placed.order_id, placed.keys)
    headers = {"Idempotency-Replayed": "true"} if placed.is_replayed else {}
    return Response(answer, status_code=201, media_type=MediaType.JSON, headers=headers)


@post(
    "/{order_id:str}/cancel",
    responses=documented_responses(MessageBody, 401, 404, 409, 413),
    opt=request_body(CancelOrderBody),
    security=BEARER,
    media_type=MediaType.JSON,
    status_code=200,
)
async def cancel(request: ApiRequest, order_id: OrderId) -> Response[bytes]:
    """Cancel an order of which no key was delivered, and get all of the money back."""
    shop = shop_of(request.scope)
    now = utc_now()
    user_id = (await get_signed_in(request, shop, now=now)).user_id
    reason = None
    if await request.body():
        reason = (await read_body(request, CancelOrderBody)).reason
    if not may_be_game_id(order_id):
        raise OrderNotFound
    await cancel_own_order(shop.db, order_id, user_id=user_id, reason=reason, now=now)
    return message_response("Order cancelled")


def _find_idempotency_key(request: ApiRequest) -> str | None:
    keys = list_headers(request.scope, b"idempotency-key")
    if len(keys) > 1:
        raise BadIdempotencyKey
    return keys[0].decode("latin-1") if keys else None


def _reader(shop: ApiShop) -> OrderReader:
    return OrderReader(db=shop.db, cache=shop.cache, vault=shop.orders.vault)


orders_router = Router(
    path="/api/orders", tags=["Orders"], route_handlers=[orders, order, place, cancel]
)
