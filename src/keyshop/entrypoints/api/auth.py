"""Signing up, in and out at /api/auth; every handler is one call of the accounts."""

from typing import Final

from litestar import MediaType, Response, Router, get, post
from msgspec import UNSET, Struct, UnsetType

from keyshop.accounts.models import Account, Credentials, Profile, Registration, Role, TokenPair
from keyshop.accounts.register import register as sign_up
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.reset_password import reset_password as set_forgotten_password
from keyshop.accounts.send_verification import send_verification
from keyshop.accounts.services import SignInResult
from keyshop.accounts.sessions.families import refresh as refresh_tokens
from keyshop.accounts.show_profile import show_profile
from keyshop.accounts.sign_in import sign_in
from keyshop.accounts.sign_out import sign_out
from keyshop.accounts.verify_email import verify_by_code, verify_by_token
from keyshop.baskets.models import MigrationReport
from keyshop.entrypoints.api.account_pages import ACCOUNT_PAGES
from keyshop.entrypoints.api.bodies import (
    ForgottenPassword,
    NewPassword,
    Proof,
    Refresh,
    SignUp,
)
from keyshop.entrypoints.api.body import BadBody, read_body
from keyshop.entrypoints.api.cookies import (
    find_session,
    find_session_at_sign_in,
    signed_out_cookies,
)
from keyshop.entrypoints.api.dependencies import CurrentShop
from keyshop.entrypoints.api.describe_bodies import takes
from keyshop.entrypoints.api.envelope import Done
from keyshop.entrypoints.api.errors import ApiRequest, described
from keyshop.entrypoints.api.identity import BEARER, BEARER_OR_GUEST, find_caller, find_signed_in
from keyshop.entrypoints.api.migrate_baskets import basket_cookies
from keyshop.entrypoints.api.ready import Ready
from keyshop.entrypoints.api.respond import is_secure, say, show
from keyshop.kit.clock import utc_now
from keyshop.storefront.models import Envelope

_INVALID: Final = "Validation failed"
_MAIL_IS_UNDER_WAY: Final = (
    "If an account with this email exists, a mail with a link for a new password is on its way."
)


class AuthUser(Struct, frozen=True, kw_only=True, rename="camel"):
    """Who has signed in; a name that was never given is null or absent."""

    id: str
    email: str
    nickname: str
    first_name: str | UnsetType | None = UNSET
    last_name: str | UnsetType | None = UNSET
    avatar: str | UnsetType | None = UNSET
    role: Role


class Session(Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody who has just signed in, and what became of their basket as a guest."""

    user: AuthUser
    token: str
    refresh_token: str
    expires_in: int
    """Seconds until the token expires."""

    migration: MigrationReport | None
    """Null when there was nothing to move."""

    def __repr__(self) -> str:
        return f"Session(user={self.user.id!r})"


@post(
    "/register",
    responses=described(Envelope[Session], 409, 413, 429, status=201),
    opt=takes(SignUp),
    media_type=MediaType.JSON,
)
async def register(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Open an account; the cart and wishlist of the guest follow into it."""
    wanted = await read_body(request, SignUp, otherwise=_INVALID)
    caller = find_caller(request, shop, session_id=find_session(request.scope) or None)
    registration = Registration(
        email=wanted.email,
        password=wanted.password,
        nickname=wanted.nickname,
        first_name=wanted.first_name,
        last_name=wanted.last_name,
    )
    known = await sign_up(shop.db, shop.accounts, shop.baskets, registration, caller, now=utc_now())
    return show(
        _session(known, absent=None),
        status=201,
        cookies=basket_cookies(request, shop, known.migration),
    )


@post(
    "/login",
    status_code=200,
    responses=described(Envelope[Session], 401, 409, 413, 429),
    opt=takes(Credentials),
    media_type=MediaType.JSON,
)
async def login(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Sign in; the cart and wishlist of the guest follow into the account."""
    credentials = await read_body(request, Credentials, otherwise=_INVALID)
    caller = find_caller(request, shop, session_id=find_session_at_sign_in(request.scope))
    known = await sign_in(shop.db, shop.accounts, shop.baskets, credentials, caller, now=utc_now())
    return show(
        _session(known, absent=UNSET), cookies=basket_cookies(request, shop, known.migration)
    )


@post(
    "/refresh",
    status_code=200,
    responses=described(Envelope[TokenPair], 401, 413),
    opt=takes(Refresh),
    media_type=MediaType.JSON,
)
async def refresh(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Exchange a refresh token for a new pair; each works once."""
    given = await read_body(request, Refresh, otherwise=_INVALID)
    if not given.refresh_token:
        raise BadBody(_INVALID)
    tokens = shop.accounts.tokens
    return show(await refresh_tokens(shop.db, tokens, given.refresh_token, now=utc_now()))


@get(
    "/me",
    responses=described(Envelope[Profile], 401, 404),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def me(shop: CurrentShop, request: ApiRequest) -> Ready:
    """Names, balance and what was bought so far by whoever is signed in."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    return Ready(await show_profile(shop.db, shop.cache, user_id=known.user_id, now=now))


@post(
    "/logout",
    status_code=200,
    responses=described(Done, 401),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def logout(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Sign out on this device: its tokens are worth nothing from now on."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    await sign_out(shop.db, known, now=now)
    return say(
        "Logged out successfully", cookies=signed_out_cookies(secure=is_secure(request, shop))
    )


@post(
    "/forgot-password",
    status_code=200,
    responses=described(Done, 413, 429),
    opt=takes(ForgottenPassword),
    media_type=MediaType.JSON,
)
async def forgot_password(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Ask for a link that sets a new password; the answer is the same for every address."""
    given = await read_body(request, ForgottenPassword, otherwise="Email is required")
    caller = find_caller(request, shop)
    await request_reset(shop.db, given.email, caller, now=utc_now())
    return say(_MAIL_IS_UNDER_WAY)


@post(
    "/reset-password",
    status_code=200,
    responses=described(Done, 413, 429),
    opt=takes(NewPassword),
    media_type=MediaType.JSON,
)
async def reset_password(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Set the password with the token of a mailed link; every device is signed out."""
    given = await read_body(request, NewPassword, otherwise="Token and new password are required")
    await set_forgotten_password(
        shop.db,
        shop.accounts,
        token=given.token,
        new_password=given.new_password,
        client_info=find_caller(request, shop),
        now=utc_now(),
    )
    return say("Password has been reset. Please sign in with the new one.")


@post(
    "/send-verification-code",
    status_code=200,
    responses=described(Done, 401, 404, 409, 429),
    security=BEARER,
    media_type=MediaType.JSON,
)
async def send_verification_code(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Have a code mailed that shows whose address it is."""
    now = utc_now()
    known = await find_signed_in(request, shop, now=now)
    caller = find_caller(request, shop)
    await send_verification(shop.db, user_id=known.user_id, client_info=caller, now=now)
    return say("Verification code sent")


@post(
    "/verify-email",
    status_code=200,
    responses=described(Done, 401, 404, 409, 413, 429),
    opt=takes(Proof),
    security=BEARER_OR_GUEST,
    media_type=MediaType.JSON,
)
async def verify_email(shop: CurrentShop, request: ApiRequest) -> Response[bytes]:
    """Show that a mail arrived: by its code when signed in, by its link's token from anywhere."""
    now = utc_now()
    given = await read_body(request, Proof, otherwise="Verification code is required")
    caller = find_caller(request, shop)
    if given.token:
        await verify_by_token(shop.db, shop.accounts, caller, token=given.token, now=now)
        return say("Email verified successfully")
    known = await find_signed_in(request, shop, now=now)
    if not given.code:
        raise BadBody("Verification code is required")
    await verify_by_code(
        shop.db, shop.accounts, caller, user_id=known.user_id, code=given.code, now=now
    )
    return say("Email verified successfully")


def _session(known: SignInResult, *, absent: UnsetType | None) -> Session:
    return Session(
        user=_auth_user(known.account, absent),
        token=known.tokens.token,
        refresh_token=known.tokens.refresh_token,
        expires_in=known.tokens.expires_in,
        migration=known.migration.report if known.migration else None,
    )


def _auth_user(account: Account, absent: UnsetType | None) -> AuthUser:
    return AuthUser(
        id=account.id,
        email=account.email,
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
