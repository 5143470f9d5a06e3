"""
Refuses requests that a page of another site made a browser send.

A browser adds the shop's cookie to them, and a form can send JSON under another content type. Pages
cannot change the headers that are read here. Programs without a browser send neither, and pass.
"""

from collections.abc import Collection
from typing import Final

from litestar.types import HTTPScope
from msgspec import Struct

from keyshop.entrypoints.http.headers import find_header

_CHANGING_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Plain HTML forms. They act for the token or the id that they contain and never for a cookie; and from
# a page that sends no referrer, a browser sends `Origin: null`.
_FORMS: Final = ("/api/auth/pages/", "/payment/demo/")
_JSON: Final = b"application/json"

# A browser's own judgement, which also holds behind a proxy that changes `Host`.
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})


class Refusal(Struct, frozen=True):
    """The status of a refused request, and the sentence for its sender."""

    status: int
    message: str


_NOT_JSON: Final = Refusal(
    415, "The request body must be JSON, sent with the header Content-Type: application/json."
)
_FOREIGN: Final = Refusal(
    403, "Requests from other websites are not accepted here. Please use the shop's own pages."
)


def find_refusal(
    scope: HTTPScope, accepted_origins: Collection[bytes], *, is_encrypted: bool
) -> Refusal | None:
    """Return why a request that may change something is refused; None: it is not."""
    if scope["method"] not in _CHANGING_METHODS or scope["path"].startswith(_FORMS):
        return None
    if _is_foreign(scope, accepted_origins, is_encrypted=is_encrypted):
        return _FOREIGN
    if _has_body(scope) and not _is_json(scope):
        return _NOT_JSON
    return None


def _is_foreign(
    scope: HTTPScope, accepted_origins: Collection[bytes], *, is_encrypted: bool
) -> bool:
    origin = find_header(scope, b"origin")
    if origin in accepted_origins:
        return False
    site = find_header(scope, b"sec-fetch-site")
    if site in _OWN_SITES:
        return False
    if site == b"cross-site":
        return True
    return origin is not None and not _is_own(scope, origin, is_encrypted=is_encrypted)


def _is_own(scope: HTTPScope, origin: bytes, *, is_encrypted: bool) -> bool:
    scheme, _, host = origin.lower().partition(b"://")
    schemes = {b"https"} if is_encrypted else {b"http", b"https"}
    return scheme in schemes and host == (find_header(scope, b"host") or b"").lower()


def _has_body(scope: HTTPScope) -> bool:
    length = find_header(scope, b"content-length")
    return (length is not None and length.strip(b"0 ") != b"") or (
        find_header(scope, b"transfer-encoding") is not None
    )


def _is_json(scope: HTTPScope) -> bool:
    media_type, _, _ = (find_header(scope, b"content-type") or b"").partition(b";")
    return media_type.strip().lower() == _JSON
