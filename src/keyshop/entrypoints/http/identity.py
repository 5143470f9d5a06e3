"""
Who asks.

find_signed_in   somebody with a token that is good, or 401
find_visitor     somebody with a token, or without any a guest; a token that is not good is 401
find_operator    somebody who runs the shop, or 401 without a token and 403 without the role
find_caller      the address and the browser behind a request that is not signed in yet
"""

from datetime import datetime
from typing import Final

from litestar.types import HTTPScope

from keyshop.accounts.check_access import check_access
from keyshop.accounts.errors import NO_TOKEN, NOT_A_TOKEN, TokenRefused
from keyshop.accounts.models import ClientInfo, Role, SignedIn
from keyshop.baskets.models import Visitor
from keyshop.entrypoints.http.cookies import find_session
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.errors import ApiRequest
from keyshop.entrypoints.http.headers import find_header
from keyshop.kit.errors import Forbidden

_NOBODY: Final[dict[str, list[str]]] = {}
BEARER: Final = [{"Bearer": list[str]()}]
BEARER_OR_GUEST: Final = [*BEARER, _NOBODY]
"""What the OpenAPI document says of handlers that ask for who is signed in, or for a visitor."""

# What browsers send by themselves to a site that stands behind a password: it is not about accounts.
_OF_BROWSERS: Final = frozenset({b"basic", b"digest", b"negotiate", b"ntlm"})

_MAX_AGENT: Final = 300  # characters of a browser's description of itself


class NotAnOperator(Forbidden):
    """A customer asked for what only operators may."""

    def __init__(self) -> None:
        super().__init__("Only an administrator may do this.")


async def find_signed_in(request: ApiRequest, shop: ApiShop, *, now: datetime) -> SignedIn:
    """
    Return who is signed in.

    Raises:
        TokenRefused: nobody, or the token is not good.
    """
    token = _find_token(request.scope)
    if token is None:
        raise TokenRefused(NO_TOKEN)
    return await check_access(shop.db, shop.cache, shop.accounts.tokens, token, now=now)


async def find_visitor(request: ApiRequest, shop: ApiShop, *, now: datetime) -> Visitor:
    """
    Return whose basket is meant: a customer's, or that of a guest's cookie.

    Raises:
        TokenRefused: there is a token and it is not good; its owner would otherwise see, and fill,
            a basket that is not theirs.
    """
    token = _find_token(request.scope)
    if token is None:
        return Visitor(user_id=None, session_id=find_session(request.scope) or None)
    known = await check_access(shop.db, shop.cache, shop.accounts.tokens, token, now=now)
    return Visitor(user_id=known.user_id, session_id=None)


async def find_operator(request: ApiRequest, shop: ApiShop, *, now: datetime) -> SignedIn:
    """
    Return the operator who asks.

    Raises:
        TokenRefused: nobody is signed in.
        NotAnOperator: a customer is.
    """
    known = await find_signed_in(request, shop, now=now)
    if known.role is not Role.ADMIN:
        raise NotAnOperator
    return known


def find_caller(request: ApiRequest, shop: ApiShop, *, session_id: str | None = None) -> ClientInfo:
    """Return where the request comes from, and the basket that may follow into the account."""
    return ClientInfo(
        address=shop.proxies.client_of(request.scope),
        user_agent=_find_agent(request.scope),
        session_id=session_id,
    )


def _find_token(scope: HTTPScope) -> str | None:
    """
    Return the token that was sent; None when the request has none of ours.

    Raises:
        TokenRefused: what was sent might be meant as one, and cannot be.
    """
    header = find_header(scope, b"authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(b" ")
    token = token.strip()
    if scheme.lower() in _OF_BROWSERS:
        return None
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        raise TokenRefused(NOT_A_TOKEN)
    return token.decode()


def _find_agent(scope: HTTPScope) -> str | None:
    header = find_header(scope, b"user-agent")
    if header is None:
        return None
    said = header.decode("latin-1")[:_MAX_AGENT]
    # PostgreSQL's texts cannot hold NUL, and a log no line of somebody else's making.
    return "".join(letter for letter in said if letter.isprintable()) or None
