"""A customer's own account at /api/user."""

from typing import Final

from litestar import MediaType, Response, Router, get, put

from keyshop.accounts.change_password import change_password as set_password
from keyshop.accounts.edit_profile import edit_profile as change_profile
from keyshop.accounts.models import Balance, Profile, ProfileChanges, Statistics
from keyshop.accounts.show_profile import show_profile
from keyshop.accounts.show_statistics import show_balance, show_statistics
from keyshop.entrypoints.api.auth import logout, me
from keyshop.entrypoints.http.bodies import PasswordChange
from keyshop.entrypoints.http.dependencies import CurrentShop
from keyshop.entrypoints.http.describe_bodies import takes
from keyshop.entrypoints.http.envelope import Done
from keyshop.entrypoints.http.errors import ApiRequest, described
from keyshop.entrypoints.http.identity import BEARER, find_caller, find_signed_in
from keyshop.entrypoints.http.requests import read_body
from keyshop.entrypoints.http.respond import say
from keyshop.entrypoints.http.responses import Ready
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope

_BOTH_ARE_NEEDED: Final = "Current password and new password are required"


profile = get(
    "/profile",
    responses=described(Envelope[Profile], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)(me.fn)


@put(
    "/profile",
    responses=described(Envelope[Profile], 401, 404, 413),
    opt=takes(ProfileChanges),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def edit_profile(shop: CurrentShop, request: ApiRequest) -> Ready:
    """Change names; nothing else of an account can be changed here."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    changes = await read_body(request, ProfileChanges)
    await change_profile(shop.db, user_id=known.user_id, changes=changes, now=now)
    return Ready(await show_profile(shop.db, shop.cache, user_id=known.user_id, now=now))


@put(
    "/password",
    responses=described(Done, 401, 404, 409, 413, 429),
    opt=takes(PasswordChange),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def change_password(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Replace the password; every other device is signed out."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    given = await read_body(request, PasswordChange, otherwise=_BOTH_ARE_NEEDED)
    await set_password(
        shop.db,
        shop.accounts,
        user_id=known.user_id,
        family_id=known.family_id,
        current=given.current_password,
        new=given.new_password,
        caller=find_caller(request, shop),
        now=now,
    )
    return say("Password changed successfully")


@get(
    "/balance",
    responses=described(Envelope[Balance], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def balance(shop: CurrentShop, request: ApiRequest) -> Ready:
    """How much money the account holds."""
    known = await find_signed_in(request, shop, now=utc_now())
    return Ready(await show_balance(shop.db, user_id=known.user_id))


@get(
    "/stats",
    responses=described(Envelope[Statistics], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def statistics(shop: CurrentShop, request: ApiRequest) -> Ready:
    """What was bought and saved so far."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    return Ready(await show_statistics(shop.db, user_id=known.user_id, now=now))


user_router = Router(
    path="/api/user",
    tags=["Accounts"],
    route_handlers=[profile, edit_profile, change_password, balance, statistics, logout],
)
