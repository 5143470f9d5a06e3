"""The signed-in user's own account at /api/user."""

from typing import Final

from litestar import MediaType, Response, Router, get, put

from keyshop.accounts.change_password import PasswordPair
from keyshop.accounts.change_password import change_password as set_password
from keyshop.accounts.edit_profile import edit_profile as change_profile
from keyshop.accounts.models import Profile, ProfileChanges, Statistics
from keyshop.accounts.show_profile import show_profile
from keyshop.accounts.show_statistics import show_statistics
from keyshop.entrypoints.api.auth import logout, me
from keyshop.entrypoints.api.orders import orders as list_all_orders
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_client_info, get_signed_in
from keyshop.entrypoints.http.openapi import BEARER, documented_responses
from keyshop.entrypoints.http.requests import (
    ApiRequest,
    ChangePasswordBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import JsonBytes, MessageBody, message_response
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope
from keyshop.orders.answers import OrderAnswer
from keyshop.wallet.list_transactions import list_transactions
from keyshop.wallet.models import Balance, ShownTransaction
from keyshop.wallet.show_balance import show_balance

_BOTH_REQUIRED: Final = "Current password and new password are required"


profile = get(
    "/profile",
    responses=documented_responses(Envelope[Profile], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)(me.fn)


@put(
    "/profile",
    responses=documented_responses(Envelope[Profile], 401, 404, 413),
    opt=request_body(ProfileChanges),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def edit_profile(request: ApiRequest) -> JsonBytes:
    """Change the names of the profile."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    changes = await read_body(request, ProfileChanges)
    await change_profile(shop.db, user_id=signed_in.user_id, changes=changes, now=now)
    return JsonBytes(await show_profile(shop.db, shop.cache, user_id=signed_in.user_id, now=now))


@put(
    "/password",
    responses=documented_responses(MessageBody, 401, 404, 409, 413, 429),
    opt=request_body(ChangePasswordBody),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def change_password(request: ApiRequest) -> Response[bytes]:
    """Change the password and sign out on every other device."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    body = await read_body(request, ChangePasswordBody, message=_BOTH_REQUIRED)
    await set_password(
        shop.db,
        shop.accounts,
        signed_in,
        PasswordPair(body.current_password, body.new_password),
        get_client_info(request, shop),
        now=now,
    )
    return message_response("Password changed successfully")


@get(
    "/balance",
    responses=documented_responses(Envelope[Balance], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def balance(request: ApiRequest) -> JsonBytes:
    """Show the account's balance."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    return JsonBytes(await show_balance(shop.db, shop.cache, user_id=signed_in.user_id, now=now))


@get(
    "/transactions",
    responses=documented_responses(Envelope[list[ShownTransaction]], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def transactions(request: ApiRequest) -> JsonBytes:
    """Show what was paid in, paid and refunded, the newest first."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    return JsonBytes(
        await list_transactions(shop.db, shop.cache, user_id=signed_in.user_id, now=now)
    )


@get(
    "/stats",
    responses=documented_responses(Envelope[Statistics], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def statistics(request: ApiRequest) -> JsonBytes:
    """Show how much the user has bought and saved."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    return JsonBytes(await show_statistics(shop.db, user_id=signed_in.user_id, now=now))


orders = get(
    "/orders",
    responses=documented_responses(Envelope[list[OrderAnswer]], 401),
    security=BEARER,
    media_type=MediaType.JSON,
)(list_all_orders.fn)


user_router = Router(
    path="/api/user",
    tags=["Accounts"],
    route_handlers=[
        profile,
        edit_profile,
        change_password,
        balance,
        transactions,
        statistics,
        orders,
        logout,
    ],
)
