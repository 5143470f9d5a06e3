"""
The outermost layer, which every request passes: path, CORS, headers, metrics and log line.

It wraps Litestar's application, because middleware inside sees only requests for which there is a
route.
"""

import re
from collections.abc import Sequence
from random import Random
from time import perf_counter
from typing import Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from keyshop.entrypoints.http.client_gone import note_client_gone
from keyshop.entrypoints.http.foreign_requests import find_refusal
from keyshop.entrypoints.http.headers import find_header, list_headers
from keyshop.entrypoints.http.record_request import record_request
from keyshop.entrypoints.http.responses import JSON_HEADERS, encode_error, send_response
from keyshop.kit.logs import REQUEST_ID

_Headers = list[tuple[bytes, bytes]]

_SECURITY_HEADERS: Final[_Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_HSTS_HEADER: Final = (b"strict-transport-security", b"max-age=31536000")
_REFERRER_HEADER: Final = (b"referrer-policy", b"strict-origin-when-cross-origin")
_PRIVATE_PATHS: Final = (
    "/api/auth",
    "/api/orders",
    "/api/user",
    "/api/cart",
    "/api/wishlist",
    "/api/payment",
    "/payment/",
)
_REPEATED_SLASHES: Final = re.compile("//+")
# A browser or a proxy must not keep one user's response for the next user.
_NO_STORE: Final = (b"cache-control", b"no-store")
_PRIVATE_HEADERS: Final[_Headers] = [
    _NO_STORE,
    # The URLs of mailed links contain tokens.
    (b"referrer-policy", b"no-referrer"),
]

_PREFLIGHT_HEADERS: Final[_Headers] = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Content-Type, Authorization, X-Requested-With, If-None-Match",
    ),
    (b"access-control-max-age", b"600"),
]
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_EXPOSE_HEADER: Final = (
    b"access-control-expose-headers",
    b"Content-Range, X-Content-Range, ETag",
)

# Request ids need not be unpredictable, and the system's random source is slower.
_random: Final = Random()  # noqa: S311


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        allowed_origins: Sequence[str],
        *,
        public_origin: str | None = None,
        is_encrypted: bool = False,
    ) -> None:
        """
        Wrap the application.

        Args:
            app: The application.
            allowed_origins: Origins whose pages may call the application.
            public_origin: The shop's own origin, if a proxy may send another `Host`.
            is_encrypted: Whether clients reach it over TLS only.
        """
        self._app = app
        self._allowed_origins = frozenset(origin.encode() for origin in allowed_origins)
        self._accepted_origins = self._allowed_origins | {(public_origin or "").encode()} - {b""}
        self._is_encrypted = is_encrypted
        security = [*_SECURITY_HEADERS, _HSTS_HEADER] if is_encrypted else _SECURITY_HEADERS
        self._public_headers = [*security, _REFERRER_HEADER]
        self._private_headers = [*security, *_PRIVATE_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started_at = perf_counter()
        _tidy_path(scope)
        request_id = _random.randbytes(16).hex()
        method = scope["method"]
        response = _Response(send, self._headers(scope, request_id), has_body=method != "HEAD")
        if method == "HEAD":
            # A copy: the web server goes by the method in its own, and expects no body.
            scope = cast("HTTPScope", {**scope, "method": "GET"})
        context_token = REQUEST_ID.set(request_id)
        try:
            await self._respond(scope, _watch_body(scope, receive), response)
        finally:
            scope["method"] = method
            record_request(scope, status=response.status, seconds=perf_counter() - started_at)
            REQUEST_ID.reset(context_token)

    async def _respond(self, scope: HTTPScope, receive: Receive, response: "_Response") -> None:
        if scope["method"] == "OPTIONS":
            headers = _PREFLIGHT_HEADERS if response.is_cross_origin else []
            await send_response(response, 200, headers, b"")
        elif b"%00" in scope["query_string"] or "\0" in scope["path"]:
            # PostgreSQL's text type cannot store NUL, so nothing could be found.
            body = encode_error("The URL contains a NUL character.")
            await send_response(response, 400, JSON_HEADERS, body)
        elif not _has_valid_host(scope):
            body = encode_error("HTTP/1.1 requires exactly one Host header.")
            await send_response(response, 400, JSON_HEADERS, body)
        elif refusal := find_refusal(
            scope, self._accepted_origins, is_encrypted=self._is_encrypted
        ):
            body = encode_error(refusal.message)
            await send_response(response, refusal.status, JSON_HEADERS, body)
        else:
            await self._app(cast("Scope", scope), receive, response)

    def _headers(self, scope: HTTPScope, request_id: str) -> _Headers:
        is_private = scope["path"].startswith(_PRIVATE_PATHS)
        return [
            (b"x-request-id", request_id.encode()),
            *self._cors_headers(scope),
            *(self._private_headers if is_private else self._public_headers),
        ]

    def _cors_headers(self, scope: HTTPScope) -> _Headers:
        if not self._allowed_origins:
            return []
        # A cache must not serve the response for one origin to another.
        headers: _Headers = [(b"vary", b"Origin")]
        origin = find_header(scope, b"origin")
        if origin in self._allowed_origins and origin is not None:
            headers += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                _EXPOSE_HEADER,
            ]
        return headers


class _Response:
    """Sends the application's response with further headers, and keeps its status."""

    __slots__ = ("_has_body", "_headers", "_send", "status")

    def __init__(self, send: Send, headers: _Headers, *, has_body: bool) -> None:
        self._send = send
        self._headers = headers
        self._has_body = has_body
        # What the client receives if the application raises before it responds.
        self.status = 500

    @property
    def is_cross_origin(self) -> bool:
        """Whether the request comes from an allowed origin."""
        return any(name == b"access-control-allow-origin" for name, _ in self._headers)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], *self._headers]
            # Caches may store what does not forbid it, even errors such as 404.
            if b"cache-control" not in [name for name, _ in headers]:
                headers.append(_NO_STORE)
            message["headers"] = headers
        elif message["type"] == "http.response.body" and not self._has_body:
            message["body"] = b""
        await self._send(message)


def _watch_body(scope: HTTPScope, receive: Receive) -> Receive:
    """Note in the scope if the client hangs up before its body has arrived."""
    if scope["method"] in _WITHOUT_BODY:
        return receive

    async def watched() -> ReceiveMessage:
        message = await receive()
        if message["type"] == "http.disconnect":
            note_client_gone(scope)
        return message

    return watched


def _has_valid_host(scope: HTTPScope) -> bool:
    # RFC 9112, 3.2. Before HTTP/1.1, there was none.
    hosts = len(list_headers(scope, b"host"))
    return hosts == 1 or (hosts == 0 and scope["http_version"] == "1.0")


def _tidy_path(scope: HTTPScope) -> None:
    # The router takes repeated slashes for one, so every other rule about paths must do so too.
    if "//" in scope["path"]:
        scope["path"] = _REPEATED_SLASHES.sub("/", scope["path"])
    # A storefront that was built with the wrong base URL requests /api/api/...
    if scope["path"].startswith("/api/api/"):
        scope["path"] = scope["path"][4:]
