"""The one cookie of the shop: which basket belongs to a visitor who is not signed in."""

from typing import Final

from litestar.datastructures import Cookie
from litestar.types import HTTPScope

from keyshop.baskets.rules import is_session_id
from keyshop.entrypoints.http.headers import find_header, list_headers

_SESSION: Final = b"sessionId"
_HEADER: Final = b"x-session-id"
_DAY: Final = 24 * 60 * 60


def find_session(scope: HTTPScope) -> str | None:
    """
    Return what the visitor's cookie says, which proves nothing yet; "" when it is none of ours.

    A cookie that has not the form of an id never reaches the database or the cache. Of several, as
    another program on a neighbouring domain may have set one, the first of that form counts.
    """
    found = None
    for header in list_headers(scope, b"cookie"):
        for part in header.split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == _SESSION:
                found = found or _well_formed(value)
    return found


def find_session_at_sign_in(scope: HTTPScope) -> str | None:
    """Return the cookie's id, or without a cookie that of a header, which other clients send."""
    said = find_session(scope)
    if said is not None:
        return said or None
    value = find_header(scope, _HEADER)
    return (_well_formed(value) or None) if value is not None else None


def _well_formed(value: bytes) -> str:
    # Every byte is a character of this; those that are not of ASCII are of no id.
    text = value.strip(b'" ').decode("latin-1")
    return text if is_session_id(text) else ""


def session_cookie(session_id: str, *, secure: bool) -> Cookie:
    """Return the cookie that gives a visitor this basket for a day."""
    return Cookie(
        key=_SESSION.decode(),
        value=session_id,
        max_age=_DAY,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def forgotten_session(*, secure: bool) -> Cookie:
    """Return the cookie that takes the visitor's basket away."""
    return _expired(_SESSION.decode(), secure=secure)


def signed_out_cookies(*, secure: bool) -> list[Cookie]:
    """Return what leaves nothing in the browser; two are names of the earlier backend's."""
    return [_expired(name, secure=secure) for name in ("token", "refreshToken", _SESSION.decode())]


def _expired(name: str, *, secure: bool) -> Cookie:
    return Cookie(
        key=name, value="", max_age=0, path="/", secure=secure, httponly=True, samesite="lax"
    )
