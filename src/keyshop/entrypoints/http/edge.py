"""
What happens to every request, whatever becomes of it: addresses, origins, log line, figures.

It stands around the framework's application, because middleware inside sees only requests that a
route was found for.
"""

from collections.abc import Sequence
from functools import cache
from random import Random
from time import perf_counter
from typing import Final, cast

import structlog
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
)
from prometheus_client import Counter, Histogram

from keyshop.entrypoints.http.envelope import failure
from keyshop.entrypoints.http.request_metrics import DURATION, REQUESTS
from keyshop.entrypoints.http.responses import JSON, send_whole
from keyshop.kit.logs import REQUEST_ID, is_debugging

_Headers = list[tuple[bytes, bytes]]

_SECURITY: Final[_Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_REFERRER: Final = (b"referrer-policy", b"strict-origin-when-cross-origin")
# What one person is shown must not be kept for the next one, by a browser or on the way.
_PRIVATE: Final = ("/api/auth", "/api/user", "/api/cart", "/api/wishlist")
_PRIVATE_HEADERS: Final[_Headers] = [
    (b"cache-control", b"no-store"),
    # The addresses of mailed links hold what they prove.
    (b"referrer-policy", b"no-referrer"),
]
_ENCRYPTED_FROM_NOW_ON: Final = (b"strict-transport-security", b"max-age=31536000")

_PREFLIGHT: Final[_Headers] = [
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE, PATCH, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization, X-Requested-With"),
    (b"access-control-max-age", b"600"),
]
_EXPOSED: Final[_Headers] = [(b"access-control-expose-headers", b"Content-Range, X-Content-Range")]

# An id need not be hard to guess, and asking the system for each takes its time.
_ids: Final = Random()  # noqa: S311
_log = structlog.get_logger()


class Edge:
    """The outermost layer of the API."""

    def __init__(
        self, app: ASGIApp, allowed_origins: Sequence[str], *, is_encrypted: bool = False
    ) -> None:
        """
        Remember the application.

        Args:
            app: What answers.
            allowed_origins: Pages of other origins that may call it.
            is_encrypted: Whether visitors reach it over TLS alone.
        """
        self._app = app
        self._origins = frozenset(origin.encode() for origin in allowed_origins)
        always = [*_SECURITY, _ENCRYPTED_FROM_NOW_ON] if is_encrypted else _SECURITY
        self._public = [*always, _REFERRER]
        self._private = [*always, *_PRIVATE_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and tell of it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        request_id = _ids.randbytes(16).hex()
        _mend_path(scope)
        always = self._private if scope["path"].startswith(_PRIVATE) else self._public
        headers = [(b"x-request-id", request_id.encode()), *self._cors(scope), *always]
        answer = _Answer(send, headers)
        told = REQUEST_ID.set(request_id)
        try:
            await self._handle(scope, receive, answer)
        finally:
            _tell(scope, answer.status, perf_counter() - begun)
            REQUEST_ID.reset(told)

    async def _handle(self, scope: HTTPScope, receive: Receive, answer: "_Answer") -> None:
        if scope["method"] == "OPTIONS":
            await send_whole(answer, 200, _PREFLIGHT if answer.is_cross_origin else [], b"")
        elif b"%00" in scope["query_string"] or "\0" in scope["path"]:
            # PostgreSQL's texts cannot hold it, so there is nothing it could find.
            await send_whole(answer, 400, JSON, failure("The address holds a NUL character."))
        else:
            await self._app(cast("Scope", scope), receive, answer)

    def _cors(self, scope: HTTPScope) -> _Headers:
        if not self._origins:
            return []
        # Caches must not hand one origin's answer to another.
        headers: _Headers = [(b"vary", b"Origin")]
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin in self._origins and origin is not None:
            headers += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                *_EXPOSED,
            ]
        return headers


class _Answer:
    """Sends the answer on with our headers, and remembers its status."""

    __slots__ = ("_headers", "_send", "status")

    def __init__(self, send: Send, headers: _Headers) -> None:
        self._send = send
        self._headers = headers
        # What a caller sees when the application raises without an answer.
        self.status = 500

    @property
    def is_cross_origin(self) -> bool:
        """Whether the page that asks may call from another origin."""
        return any(name == b"access-control-allow-origin" for name, _ in self._headers)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._headers]
        await self._send(message)


def _mend_path(scope: HTTPScope) -> None:
    # A storefront that was built with a wrong base address asks for /api/api/...
    if scope["path"].startswith("/api/api/"):
        scope["path"] = scope["path"][4:]


def _tell(scope: HTTPScope, status: int, seconds: float) -> None:
    # The route's pattern, never the address: ids would make a series of figures each.
    operation = scope.get("path_template") or "none"
    method = scope["method"]
    _counter(operation, method if method in _METHODS else "other", status).inc()
    _histogram(operation).observe(seconds)
    is_ordinary = _is_ordinary(method, status, seconds)
    if is_ordinary and not is_debugging():
        return
    tell = _log.debug if is_ordinary else _log.info
    tell(
        "request",
        operation=operation,
        method=method,
        status=status,
        milliseconds=round(seconds * 1000, 2),
    )


def _is_ordinary(method: str, status: int, seconds: float) -> bool:
    """Test whether the figures say all there is to say; a line costs as much as a kept answer."""
    return method in {"GET", "HEAD"} and status < 400 and seconds < _SLOW


_SLOW: Final = 0.5  # seconds

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# The library takes a lock and builds a key at every `labels`.
@cache
def _counter(operation: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(operation, method, str(status))


@cache
def _histogram(operation: str) -> Histogram:
    return DURATION.labels(operation)
