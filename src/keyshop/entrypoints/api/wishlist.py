"""Wishlists: a user's or a guest's at /api/wishlist, a user's at /api/user/wishlist."""

from litestar import MediaType, Response, Router, delete, get, post
from msgspec import Struct

from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.models import Part, Visitor, Wish
from keyshop.baskets.show_wishlist import show_user_wishlist, show_whether_wished, show_wishlist
from keyshop.entrypoints.api.migrate_baskets import MigrationBody, migrate_here
from keyshop.entrypoints.api.parameters import GameId
from keyshop.entrypoints.http.cookies import guest_cookies
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_signed_in, get_visitor
from keyshop.entrypoints.http.openapi import BEARER, BEARER_OR_GUEST, documented_responses
from keyshop.entrypoints.http.requests import (
    GAME_ID_REQUIRED,
    AddWishlistItemBody,
    ApiRequest,
    InvalidBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import JsonBytes, MessageBody, message_response
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope

_ADDED = "Item added to wishlist"
_REMOVED = "Item removed from wishlist"


class Wishlist(Struct, frozen=True):
    """The games on a wishlist, the newest first."""

    items: list[Wish]


class WishlistCheck(Struct, frozen=True, rename="camel"):
    """Whether the game is on the wishlist."""

    in_wishlist: bool


@get(
    "/",
    responses=documented_responses(Envelope[Wishlist], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def wishlist(request: ApiRequest) -> JsonBytes:
    """Show the wishlist at current prices, the newest game first."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    return JsonBytes(await show_wishlist(shop.db, shop.cache, visitor, now=now))


@post(
    "/",
    responses=documented_responses(MessageBody, 401, 403, 404, 413, 429, status=201),
    opt=request_body(AddWishlistItemBody),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def add(request: ApiRequest) -> Response[bytes]:
    """Add a game to the wishlist, unless it is there already."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    body = await read_body(request, AddWishlistItemBody, message=GAME_ID_REQUIRED)
    if not body.game_id:
        raise InvalidBody(GAME_ID_REQUIRED)
    limits = shop.baskets.limits
    session_id = await add_wish(shop.db, visitor, body.game_id, limits=limits, now=now)
    return message_response(_ADDED, status=201, cookies=guest_cookies(request, shop, session_id))


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=documented_responses(MessageBody, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def remove(request: ApiRequest, game_id: GameId) -> Response[bytes]:
    """Remove a game from the wishlist; it need not be there."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    session_id = await remove_wish(shop.db, visitor, game_id, now=now)
    return message_response(_REMOVED, cookies=guest_cookies(request, shop, session_id))


@get(
    "/{game_id:str}/check",
    responses=documented_responses(Envelope[WishlistCheck], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def check(request: ApiRequest, game_id: GameId) -> JsonBytes:
    """Check whether a game is on the wishlist."""
    shop = shop_of(request.scope)
    now = utc_now()
    visitor = await get_visitor(request, shop, now=now)
    return JsonBytes(await show_whether_wished(shop.db, shop.cache, visitor, game_id, now=now))


@post(
    "/migrate",
    status_code=200,
    responses=documented_responses(MigrationBody, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def migrate(request: ApiRequest) -> Response[bytes]:
    """Move the guest's wishlist into the signed-in user's wishlist."""
    shop = shop_of(request.scope)
    return await migrate_here(request, shop, Part.WISHLIST, "Wishlist migrated")


@get(
    "/",
    responses=documented_responses(Envelope[list[Wish]], 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def user_wishlist(request: ApiRequest) -> JsonBytes:
    """Show the signed-in user's wishlist as a plain list."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    visitor = Visitor(user_id=signed_in.user_id)
    return JsonBytes(await show_user_wishlist(shop.db, shop.cache, visitor, now=now))


@post(
    "/{game_id:str}",
    status_code=200,
    responses=documented_responses(MessageBody, 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def add_to_user_wishlist(request: ApiRequest, game_id: GameId) -> Response[bytes]:
    """Add a game to the signed-in user's wishlist, unless it is there already."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    visitor = Visitor(user_id=signed_in.user_id)
    await add_wish(shop.db, visitor, game_id, limits=shop.baskets.limits, now=now)
    return message_response(_ADDED)


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=documented_responses(MessageBody, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def remove_from_user_wishlist(request: ApiRequest, game_id: GameId) -> Response[bytes]:
    """Remove a game from the signed-in user's wishlist; it need not be there."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    await remove_wish(shop.db, Visitor(user_id=signed_in.user_id), game_id, now=now)
    return message_response(_REMOVED)


wishlist_router = Router(
    path="/api/wishlist",
    tags=["Wishlist"],
    route_handlers=[wishlist, add, remove, check, migrate],
)
user_wishlist_router = Router(
    path="/api/user/wishlist",
    tags=["Wishlist"],
    route_handlers=[user_wishlist, add_to_user_wishlist, remove_from_user_wishlist, migrate],
)
