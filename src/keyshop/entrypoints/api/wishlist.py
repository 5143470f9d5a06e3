"""Wishlists: of a customer or a guest at /api/wishlist, of a customer at /api/user/wishlist."""

from litestar import MediaType, Response, Router, delete, get, post
from msgspec import Struct

from keyshop.baskets.change_wishlist import add_wish, remove_wish
from keyshop.baskets.models import Part, Visitor, Wish
from keyshop.baskets.show_wishlist import is_wished, show_user_wishlist, show_wishlist
from keyshop.entrypoints.api.migrate_baskets import Migrated, migrate_here
from keyshop.entrypoints.api.parameters import PathText
from keyshop.entrypoints.http.bodies import NO_GAME, NewWish
from keyshop.entrypoints.http.dependencies import CurrentShop
from keyshop.entrypoints.http.describe_bodies import takes
from keyshop.entrypoints.http.envelope import Done
from keyshop.entrypoints.http.errors import ApiRequest, described
from keyshop.entrypoints.http.identity import (
    BEARER,
    BEARER_OR_GUEST,
    find_signed_in,
    find_visitor,
)
from keyshop.entrypoints.http.requests import BadBody, read_body
from keyshop.entrypoints.http.respond import keep_basket, say
from keyshop.entrypoints.http.responses import Ready
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope

_ADDED = "Item added to wishlist"
_REMOVED = "Item removed from wishlist"


class Wishlist(Struct, frozen=True):
    """Games somebody wants, the last one first."""

    items: list[Wish]


class Wished(Struct, frozen=True, rename="camel"):
    """Whether a game is on the wishlist."""

    in_wishlist: bool


@get(
    "/",
    responses=described(Envelope[Wishlist], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def wishlist(shop: CurrentShop, request: ApiRequest) -> Ready:
    """The games on the wishlist at their present prices, the last one first."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    return Ready(await show_wishlist(shop.db, shop.cache, visitor, now=now))


@post(
    "/",
    responses=described(Done, 401, 404, 413, status=201),
    opt=takes(NewWish),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def add(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Put a game on the wishlist; it may be there already."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    wish = await read_body(request, NewWish, otherwise=NO_GAME)
    if not wish.game_id:
        raise BadBody(NO_GAME)
    limits = shop.accounts.basket_limits
    session_id = await add_wish(shop.db, visitor, wish.game_id, limits=limits, now=now)
    return say(_ADDED, status=201, cookies=keep_basket(request, shop, session_id))


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=described(Done, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def remove(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Response[bytes]:
    """Take a game off the wishlist; it may be gone already."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    session_id = await remove_wish(shop.db, visitor, game_id, now=now)
    return say(_REMOVED, cookies=keep_basket(request, shop, session_id))


@get(
    "/{game_id:str}/check",
    responses=described(Envelope[Wished], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def check(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Ready:
    """Whether a game is on the wishlist."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    return Ready(await is_wished(shop.db, shop.cache, visitor, game_id, now=now))


@post(
    "/migrate",
    status_code=200,
    responses=described(Migrated, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def migrate(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Move what is still on the guest's wishlist to the customer's."""
    return await migrate_here(request, shop, Part.WISHLIST, "Wishlist migrated")


@get(
    "/",
    responses=described(Envelope[list[Wish]], 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def own_wishlist(shop: CurrentShop, request: ApiRequest) -> Ready:
    """The customer's wishlist as a plain list."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    visitor = Visitor(user_id=known.user_id)
    return Ready(await show_user_wishlist(shop.db, shop.cache, visitor, now=now))


@post(
    "/{game_id:str}",
    status_code=200,
    responses=described(Done, 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def add_own(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Response[bytes]:
    """Put a game on the customer's wishlist; it may be there already."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    visitor = Visitor(user_id=known.user_id)
    await add_wish(shop.db, visitor, game_id, limits=shop.accounts.basket_limits, now=now)
    return say(_ADDED)


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=described(Done, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def remove_own(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Response[bytes]:
    """Take a game off the customer's wishlist; it may be gone already."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    await remove_wish(shop.db, Visitor(user_id=known.user_id), game_id, now=now)
    return say(_REMOVED)


wishlist_router = Router(
    path="/api/wishlist",
    tags=["Wishlist"],
    route_handlers=[wishlist, add, remove, check, migrate],
)
own_wishlist_router = Router(
    path="/api/user/wishlist",
    tags=["Wishlist"],
    route_handlers=[own_wishlist, add_own, remove_own, migrate],
)
