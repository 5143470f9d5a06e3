"""The cart of a customer or a guest at /api/cart."""

from litestar import MediaType, Response, Router, delete, get, post, put

from keyshop.baskets.change_cart import add_to_cart, set_quantity
from keyshop.baskets.models import Cart, Part
from keyshop.baskets.remove_from_cart import clear_cart, remove_from_cart
from keyshop.baskets.show_cart import show_cart
from keyshop.entrypoints.api.migrate_baskets import Migrated, migrate_here
from keyshop.entrypoints.api.parameters import PathText
from keyshop.entrypoints.http.bodies import NO_GAME, NO_QUANTITY, NewLine, Quantity
from keyshop.entrypoints.http.dependencies import CurrentShop
from keyshop.entrypoints.http.describe_bodies import takes
from keyshop.entrypoints.http.envelope import Done
from keyshop.entrypoints.http.errors import ApiRequest, described
from keyshop.entrypoints.http.identity import BEARER, BEARER_OR_GUEST, find_visitor
from keyshop.entrypoints.http.requests import BadBody, read_body
from keyshop.entrypoints.http.respond import keep_basket, say
from keyshop.entrypoints.http.responses import Ready
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope


@get(
    "/",
    responses=described(Envelope[Cart], 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def cart(shop: CurrentShop, request: ApiRequest) -> Ready:
    """The games in the cart at their present prices, the last one first."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    return Ready(await show_cart(shop.db, shop.cache, visitor, now=now))


@post(
    "/",
    responses=described(Done, 401, 404, 413, status=201),
    opt=takes(NewLine),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def add(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Put a game into the cart, or more keys of it."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    line = await read_body(
        request, NewLine, wrong={"gameId": NO_GAME, "quantity": NO_QUANTITY}, otherwise=NO_GAME
    )
    if not line.game_id:
        raise BadBody(NO_GAME)
    limits = shop.accounts.basket_limits
    session_id = await add_to_cart(
        shop.db, visitor, line.game_id, line.quantity, limits=limits, now=now
    )
    return say("Item added to cart", status=201, cookies=keep_basket(request, shop, session_id))


@put(
    "/{game_id:str}",
    responses=described(Done, 401, 404, 413),
    opt=takes(Quantity),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def change(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Response[bytes]:
    """Set how many keys of a game are in the cart; none removes it."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    wanted = await read_body(request, Quantity, otherwise=NO_QUANTITY)
    limits = shop.accounts.basket_limits
    session_id = await set_quantity(
        shop.db, visitor, game_id, wanted.quantity, limits=limits, now=now
    )
    return say("Cart updated", cookies=keep_basket(request, shop, session_id))


@delete(
    "/{game_id:str}",
    status_code=200,
    responses=described(Done, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def remove(shop: CurrentShop, request: ApiRequest, game_id: PathText) -> Response[bytes]:
    """Take a game out of the cart; it may be gone already."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    session_id = await remove_from_cart(shop.db, visitor, game_id, now=now)
    return say("Item removed from cart", cookies=keep_basket(request, shop, session_id))


@delete(
    "/",
    status_code=200,
    responses=described(Done, 401),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def clear(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Empty the cart."""
    now = utc_now()
    visitor = await find_visitor(request, shop, now=now)
    session_id = await clear_cart(shop.db, visitor, now=now)
    return say("Cart cleared", cookies=keep_basket(request, shop, session_id))


@post(
    "/migrate",
    status_code=200,
    responses=described(Migrated, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def migrate(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Move what is still in the guest's cart into the customer's."""
    return await migrate_here(request, shop, Part.CART, "Cart migrated")


cart_router = Router(
    path="/api/cart", tags=["Cart"], route_handlers=[cart, add, change, remove, clear, migrate]
)
