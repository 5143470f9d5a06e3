"""The shop's only cookie, which names the basket of a visitor without an account."""

import re
from datetime import datetime
from typing import Final

from litestar.datastructures import Cookie

from keyshop.baskets.owners import choose_session
from keyshop.baskets.rules import SESSION_LIFE, is_session_id
from keyshop.entrypoints.http.dependencies import ApiShop
from keyshop.entrypoints.http.headers import find_header, list_headers
from keyshop.entrypoints.http.requests import ApiRequest

_SESSION: Final = b"sessionId"
_find_sessions: Final = re.compile(rb"(?:^|;)[ \t]*sessionId=([^;]*)").findall
_SESSION_HEADER: Final = b"x-session-id"


async def find_session(request: ApiRequest, shop: ApiShop, *, now: datetime) -> str | None:
    """
    Return the session id of the cookie, which proves nothing yet; "" if it is malformed.

    A malformed id never reaches the database or the cache. Another program on a neighbouring
    domain may have set cookies of the same name, so of several the one of a live session counts. Of
    two live ones it is the browser's first (longer path, then older), because a `Cookie` header does
    not tell which domain set them.
    """
    values = [
        value
        for header in list_headers(request.scope, b"cookie")
        for value in _find_sessions(header)
    ]
    if not values:
        return None
    # Without repetitions, in the order of the browser.
    session_ids = list(dict.fromkeys(filter(None, map(_parse_session_id, values))))
    if len(session_ids) > 1:
        return await choose_session(shop.db, session_ids, now=now)
    return session_ids[0] if session_ids else ""


async def find_session_at_sign_in(
    request: ApiRequest, shop: ApiShop, *, now: datetime
) -> str | None:
    """Return the cookie's session id or, without a cookie, that of the header for other clients."""
    session_id = await find_session(request, shop, now=now)
    if session_id is not None:
        return session_id or None
    value = find_header(request.scope, _SESSION_HEADER)
    return (_parse_session_id(value) or None) if value is not None else None


def _parse_session_id(value: bytes) -> str:
    # Latin-1 decodes every byte; a session id is ASCII, so other characters fail the test.
    text = value.strip(b'" ').decode("latin-1")
    return text if is_session_id(text) else ""


def is_secure(request: ApiRequest, shop: ApiShop) -> bool:
    """Test whether the client's connection is encrypted, so that cookies may be `Secure`."""
    return shop.secure_cookies or shop.proxies.is_encrypted(request.scope)


def guest_cookies(request: ApiRequest, shop: ApiShop, session_id: str | None) -> list[Cookie]:
    """Return the cookie of a guest's basket; a customer's basket needs none."""
    if session_id is None:
        return []
    return [session_cookie(session_id, secure=is_secure(request, shop))]


def session_cookie(session_id: str, *, secure: bool) -> Cookie:
    """Return the cookie that keeps the basket for a day."""
    return Cookie(
        key=_SESSION.decode(),
        value=session_id,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def expired_session_cookie(*, secure: bool) -> Cookie:
    return _expired_cookie(_SESSION.decode(), secure=secure)


def sign_out_cookies(*, secure: bool) -> list[Cookie]:
    """Return expired cookies; `token` and `refreshToken` were set by the earlier backend."""
    names = ("token", "refreshToken", _SESSION.decode())
    return [_expired_cookie(name, secure=secure) for name in names]


def _expired_cookie(name: str, *, secure: bool) -> Cookie:
    return Cookie(
        key=name, value="", max_age=0, path="/", secure=secure, httponly=True, samesite="lax"
    )
