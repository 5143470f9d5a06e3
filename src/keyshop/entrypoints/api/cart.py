"""The cart of a user or a guest at /api/cart."""

from litestar import MediaType, Response, Router, delete, get, post, put

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.models import Cart, Part
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.show_cart import show_cart
from keyshop.entrypoints.api.migrate_baskets import MigrationBody, migrate_here
from keyshop.entrypoints.api.parameters import GameId
from keyshop.entrypoints.http.cookies import guest_cookies
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_visitor
from keyshop.entrypoints.http.openapi import BEARER, BEARER_OR_GUEST, documented_responses
from keyshop.entrypoints.http.requests import (
    GAME_ID_REQUIRED,
    QUANTITY_REQUIRED,
    AddCartItemBody,
    ApiRequest,
    InvalidBody,
    SetQuantityBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import JsonBytes, MessageBody, message_response
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope


@get(
    "/",
    responses=documented_responses(Envelope[Cart], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def cart(request: ApiRequest) -> JsonBytes:
    """Show the cart at current prices, the newest item first."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    return JsonBytes(await show_cart(shop.db, shop.cache, visitor, now=now))


@post(
    "/",
    responses=documented_responses(MessageBody, 401, 403, 404, 413, 429, status=201),
    opt=request_body(AddCartItemBody),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def add(request: ApiRequest) -> Response[bytes]:
    """Add keys of a game to the cart."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    body = await read_body(
        request,
        AddCartItemBody,
        field_messages={"gameId": GAME_ID_REQUIRED, "quantity": QUANTITY_REQUIRED},
        message=GAME_ID_REQUIRED,
    )
    if not body.game_id:
        raise InvalidBody(GAME_ID_REQUIRED)
    limits = shop.baskets.limits
    session_id = await add_to_cart(
        shop.db, visitor, body.game_id, body.quantity, limits=limits, now=now
    )
    return message_response(
        "Item added to cart", status=201, cookies=guest_cookies(request, shop, session_id)
    )


@put(
    "/{game_id:str}",
    responses=documented_responses(MessageBody, 401, 404, 413),
    opt=request_body(SetQuantityBody),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def change(request: ApiRequest, game_id: GameId) -> Response[bytes]:
    """Set the number of keys of a game in the cart; zero or less removes the game."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    body = await read_body(request, SetQuantityBody, message=QUANTITY_REQUIRED)
    limits = shop.baskets.limits
    session_id = await set_quantity(
        shop.db, visitor, game_id, body.quantity, limits=limits, now=now
    )
    return message_response("Cart updated", cookies=guest_cookies(request, shop, session_id))


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=documented_responses(MessageBody, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def remove(request: ApiRequest, game_id: GameId) -> Response[bytes]:
    """Remove a game from the cart; it need not be there."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    session_id = await remove_from_cart(shop.db, visitor, game_id, now=now)
    return message_response(
        "Item removed from cart", cookies=guest_cookies(request, shop, session_id)
    )


@delete(
    "/",
    status_code=200,
    responses=documented_responses(MessageBody, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def clear(request: ApiRequest) -> Response[bytes]:
    """Empty the cart."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    session_id = await clear_cart(shop.db, visitor, now=now)
    return message_response("Cart cleared", cookies=guest_cookies(request, shop, session_id))


@post(
    "/migrate",
    status_code=200,
    responses=documented_responses(MigrationBody, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def migrate(request: ApiRequest) -> Response[bytes]:
    """Move the guest's cart into the signed-in user's cart."""
    shop = shop_of(request.scope)
    return await migrate_here(request, shop, Part.CART, "Cart migrated")


cart_router = Router(
    path="/api/cart", tags=["Cart"], route_handlers=[cart, add, change, remove, clear, migrate]
)
