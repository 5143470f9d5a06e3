"""Registration, sign-in and sign-out at /api/auth."""

from typing import Final

from litestar import MediaType, Response, Router, get, post
from msgspec import UNSET, Struct, UnsetType

from keyshop.accounts.addresses import displayed
from keyshop.accounts.models import (
    Account,
    Credentials,
    Profile,
    Registration,
    SignInResult,
    TokenPair,
)
from keyshop.accounts.register import register as register_account
from keyshop.accounts.sessions.families import refresh as refresh_tokens
from keyshop.accounts.show_profile import show_profile
from keyshop.accounts.sign_in import sign_in
from keyshop.accounts.sign_out import sign_out
from keyshop.baskets.models import MigrationReport
from keyshop.entrypoints.api.migrate_baskets import basket_cookies
from keyshop.entrypoints.api.pages.account import ACCOUNT_PAGES
from keyshop.entrypoints.api.reset_password import forgot_password, reset_password
from keyshop.entrypoints.api.verify_email import send_verification_code, verify_email
from keyshop.entrypoints.http.cookies import (
    find_session,
    find_session_at_sign_in,
    is_secure,
    sign_out_cookies,
)
from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.identity import get_client_info, get_signed_in
from keyshop.entrypoints.http.openapi import BEARER, documented_responses
from keyshop.entrypoints.http.requests import (
    ApiRequest,
    InvalidBody,
    RefreshBody,
    RegisterBody,
    read_body,
    request_body,
)
from keyshop.entrypoints.http.responses import (
    JsonBytes,
    MessageBody,
    data_response,
    message_response,
)
from keyshop.kit.clock import utc_now
from keyshop.kit.envelope import Envelope

_VALIDATION_FAILED: Final = "Validation failed"


class AuthUser(Struct, frozen=True, kw_only=True, rename="camel"):
    """The signed-in user; an empty name is null after registration and absent after sign-in."""

    id: str
    email: str
    nickname: str
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    avatar: str | UnsetType | None = UNSET
    role: str


class AuthSession(Struct, frozen=True, kw_only=True, rename="camel"):
    """The user's tokens, and what happened to the guest's basket."""

    user: AuthUser
    token: str
    refresh_token: str
    expires_in: int
    """Seconds until the token expires."""

    migration: MigrationReport | None
    """Null if no basket was moved."""

    def __repr__(self) -> str:
        return f"AuthSession(user={self.user.id!r})"


@post(
    "/register",
    responses=documented_responses(Envelope[AuthSession], 409, 413, 429, status=201),
    opt=request_body(RegisterBody),
    media_type=MediaType.JSON,
)
async def register(request: ApiRequest) -> Response[bytes]:
    """Create an account and move the guest's cart and wishlist into it."""
    shop = shop_of(request.scope)
    body = await read_body(request, RegisterBody, message=_VALIDATION_FAILED)
    now = utc_now()
    session_id = await find_session(request, shop, now=now)
    client = get_client_info(request, shop, session_id=session_id or None)
    registration = Registration(
        email=body.email,
        password=body.password,
        nickname=body.nickname,
        first_name=body.first_name,
        last_name=body.last_name,
    )
    result = await register_account(
        shop.db, shop.accounts, shop.baskets, registration, client, now=now
    )
    return data_response(
        _auth_session(result, absent=None),
        status=201,
        cookies=basket_cookies(request, shop, result.migration),
    )


@post(
    "/login",
    status_code=200,
    responses=documented_responses(Envelope[AuthSession], 401, 409, 413, 429),
    opt=request_body(Credentials),
    media_type=MediaType.JSON,
)
async def login(request: ApiRequest) -> Response[bytes]:
    """Sign in and move the guest's cart and wishlist into the account."""
    shop = shop_of(request.scope)
    credentials = await read_body(request, Credentials, message=_VALIDATION_FAILED)
    now = utc_now()
    session_id = await find_session_at_sign_in(request, shop, now=now)
    client = get_client_info(request, shop, session_id=session_id)
    result = await sign_in(shop.db, shop.accounts, shop.baskets, credentials, client, now=now)
    return data_response(
        _auth_session(result, absent=UNSET),
        cookies=basket_cookies(request, shop, result.migration),
    )


@post(
    "/refresh",
    status_code=200,
    responses=documented_responses(Envelope[TokenPair], 401, 413),
    opt=request_body(RefreshBody),
    media_type=MediaType.JSON,
)
async def refresh(request: ApiRequest) -> Response[bytes]:
    """Exchange a refresh token, which works once, for a new pair of tokens."""
    shop = shop_of(request.scope)
    body = await read_body(request, RefreshBody, message=_VALIDATION_FAILED)
    if not body.refresh_token:
        raise InvalidBody(_VALIDATION_FAILED)
    tokens = shop.accounts.tokens
    pair = await refresh_tokens(shop.db, tokens, body.refresh_token, now=utc_now())
    return data_response(pair)


@get(
    "/me",
    responses=documented_responses(Envelope[Profile], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def me(request: ApiRequest) -> JsonBytes:
    """Show the signed-in user's profile, balance and purchase statistics."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    return JsonBytes(await show_profile(shop.db, shop.cache, user_id=signed_in.user_id, now=now))


@post(
    "/logout",
    status_code=200,
    responses=documented_responses(MessageBody, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def logout(request: ApiRequest) -> Response[bytes]:
    """Sign out on this device and revoke its tokens."""
    shop = shop_of(request.scope)
    now = utc_now()
    signed_in = await get_signed_in(request, shop, now=now)
    await sign_out(shop.db, signed_in, now=now)
    cookies = sign_out_cookies(secure=is_secure(request, shop))
    return message_response("Logged out successfully", cookies=cookies)


def _auth_session(result: SignInResult, *, absent: UnsetType | None) -> AuthSession:
    return AuthSession(
        user=_auth_user(result.account, absent),
        token=result.tokens.token,
        refresh_token=result.tokens.refresh_token,
        expires_in=result.tokens.expires_in,
        migration=result.migration.report if result.migration else None,
    )


def _auth_user(account: Account, absent: UnsetType | None) -> AuthUser:
    return AuthUser(
        id=account.id,
        email=displayed(account.email),
        nickname=account.nickname,
        first_name=account.first_name or absent,
        last_name=account.last_name or absent,
        avatar=account.avatar or absent,
        role=account.role,
    )


auth_router = Router(
    path="/api/auth",
    tags=["Accounts"],
    route_handlers=[
        register,
        login,
        refresh,
        me,
        logout,
        forgot_password,
        reset_password,
        send_verification_code,
        verify_email,
        *ACCOUNT_PAGES,
    ],
)
