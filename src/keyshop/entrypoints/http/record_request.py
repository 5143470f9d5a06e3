"""Metrics and log line of each request."""

from functools import cache
from typing import Final

import structlog
from litestar.types import HTTPScope
from prometheus_client import Counter, Histogram

from keyshop.entrypoints.http.client_gone import CLIENT_GONE
from keyshop.kit.logs import is_debugging

_REQUESTS: Final = Counter(
    "keyshop_http_requests_total",
    "Requests that were answered; status 499 is that of clients that hung up before.",
    ["operation", "method", "status"],
)
_DURATION: Final = Histogram(
    "keyshop_http_request_seconds",
    "Time from the arrival of a request to the end of its response.",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE: Final = {"outcome": "client_gone"}
_SLOW: Final = 0.5  # seconds

_log = structlog.get_logger()


def record_request(scope: HTTPScope, *, status: int, seconds: float) -> None:
    """Count the request, and log it unless it is an ordinary read."""
    # The route's pattern and not the path: each id in a path would make a time series of its own.
    operation = scope.get("path_template") or "none"
    method = scope["method"]
    _counter(operation, method if method in _METHODS else "other", status).inc()
    _histogram(operation).observe(seconds)
    is_ordinary = _is_ordinary(method, status, seconds)
    if is_ordinary and not is_debugging():
        return
    log = _log.debug if is_ordinary else _log.info
    log(
        "request",
        operation=operation,
        method=method,
        status=status,
        milliseconds=round(seconds * 1000, 2),
        **(_GONE if status == CLIENT_GONE else {}),
    )


def _is_ordinary(method: str, status: int, seconds: float) -> bool:
    """Test whether the metrics are enough; a log line costs as much as a cached response."""
    return method in {"GET", "HEAD"} and status < 400 and seconds < _SLOW


# prometheus-client takes a lock and builds a key at every call of `labels`.
@cache
def _counter(operation: str, method: str, status: int) -> Counter:
    return _REQUESTS.labels(operation, method, str(status))


@cache
def _histogram(operation: str) -> Histogram:
    return _DURATION.labels(operation)
