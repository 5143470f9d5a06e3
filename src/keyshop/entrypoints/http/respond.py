"""Answers that are more than bytes: another status, or a cookie with them."""

from collections.abc import Sequence
from typing import TypeVar

from litestar import MediaType, Response
from litestar.datastructures import Cookie

from keyshop.entrypoints.http.cookies import session_cookie
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.envelope import done
from keyshop.entrypoints.http.errors import ApiRequest
from keyshop.kit.envelope import answer

_Data = TypeVar("_Data")


def say(message: str, *, status: int = 200, cookies: Sequence[Cookie] = ()) -> Response[bytes]:
    """Answer that it was done."""
    return Response(
        done(message), status_code=status, media_type=MediaType.JSON, cookies=list(cookies)
    )


def show(data: _Data, *, status: int = 200, cookies: Sequence[Cookie] = ()) -> Response[bytes]:
    """Answer with what came of it."""
    return Response(
        answer(data), status_code=status, media_type=MediaType.JSON, cookies=list(cookies)
    )


def keep_basket(request: ApiRequest, shop: ApiShop, session_id: str | None) -> list[Cookie]:
    """Return the cookie of a guest's basket; none for a customer's."""
    if session_id is None:
        return []
    return [session_cookie(session_id, secure=is_secure(request, shop))]


def is_secure(request: ApiRequest, shop: ApiShop) -> bool:
    """Test whether the visitor's connection is encrypted, so that cookies may say so."""
    return shop.secure_cookies or shop.proxies.is_encrypted(request.scope)
