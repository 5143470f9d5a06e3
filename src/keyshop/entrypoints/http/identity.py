"""
The user behind a request.

get_signed_in      the user of a valid token, or 401
get_visitor        the user of a token, or a guest if there is none; an invalid token is 401
get_administrator  an administrator, or 401 without a token and 403 without the role
get_client_info    the address and the browser of a client that may not be signed in
"""

from datetime import datetime
from typing import Final

from litestar.types import HTTPScope

from keyshop.accounts.check_access import check_access
from keyshop.accounts.errors import NO_TOKEN, NOT_A_TOKEN, TokenRefused
from keyshop.accounts.models import ClientInfo, Role, SignedIn
from keyshop.accounts.rules import client_key
from keyshop.baskets.models import Visitor
from keyshop.entrypoints.http.cookies import find_session
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.headers import find_header
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.kit.errors import Forbidden

# A browser sends these by itself to a site behind a password; they are not about accounts.
_BROWSER_SCHEMES: Final = frozenset({b"basic", b"digest", b"negotiate", b"ntlm"})

_MAX_USER_AGENT_LENGTH: Final = 300  # characters


class AdministratorRequired(Forbidden):
    """A customer sent a request that is reserved for administrators."""

    def __init__(self) -> None:
        super().__init__("Only an administrator may do this.")


async def get_signed_in(request: ApiRequest, shop: ApiShop, *, now: datetime) -> SignedIn:
    """
    Return the signed-in user.

    Raises:
        TokenRefused: there is no token, or it is not valid.
    """
    token = _find_token(request.scope)
    if token is None:
        raise TokenRefused(NO_TOKEN)
    return await check_access(shop.db, shop.cache, shop.accounts.tokens, token, now=now)


async def get_visitor(request: ApiRequest, shop: ApiShop, *, now: datetime) -> Visitor:
    """
    Return the owner of the basket: the user of the token, or the guest of the cookie.

    Raises:
        TokenRefused: there is a token and it is not valid. As a guest, its owner would see and
            fill a basket that is not theirs.
    """
    token = _find_token(request.scope)
    if token is None:
        return Visitor(
            session_id=await find_session(request, shop, now=now) or None,
            client=client_key(shop.proxies.client_address(request.scope)),
        )
    signed_in = await check_access(shop.db, shop.cache, shop.accounts.tokens, token, now=now)
    return Visitor(user_id=signed_in.user_id, session_id=None)


async def get_administrator(request: ApiRequest, shop: ApiShop, *, now: datetime) -> SignedIn:
    """
    Return the signed-in administrator.

    Raises:
        TokenRefused: there is no token, or it is not valid.
        AdministratorRequired: the user is a customer.
    """
    signed_in = await get_signed_in(request, shop, now=now)
    if signed_in.role != Role.ADMIN:
        raise AdministratorRequired
    return signed_in


def get_client_info(
    request: ApiRequest, shop: ApiShop, *, session_id: str | None = None
) -> ClientInfo:
    """Return the client's address and browser, and the basket that may follow into the account."""
    return ClientInfo(
        address=shop.proxies.client_address(request.scope),
        user_agent=_find_user_agent(request.scope),
        session_id=session_id,
    )


def _find_token(scope: HTTPScope) -> str | None:
    """
    Return the bearer token, or None if the request has none.

    Raises:
        TokenRefused: the header is neither a bearer token nor a browser's own scheme.
    """
    header = find_header(scope, b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(b" ")
    token = token.strip()
    if scheme.lower() in _BROWSER_SCHEMES:
        return None
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        raise TokenRefused(NOT_A_TOKEN)
    return token.decode()


def _find_user_agent(scope: HTTPScope) -> str | None:
    header = find_header(scope, b"user-agent")
    if header is None:
        return None
    text = header.decode("latin-1")[:_MAX_USER_AGENT_LENGTH]
    # PostgreSQL's text type cannot store NUL, and a line break would forge a line of the log.
    return "".join(character for character in text if character.isprintable()) or None
