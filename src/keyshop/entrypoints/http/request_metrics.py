"""What is counted of every request."""

from typing import Final

from prometheus_client import Counter, Histogram

REQUESTS: Final = Counter(
    "keyshop_http_requests_total",
    "Requests that were answered.",
    ["operation", "method", "status"],
)
DURATION: Final = Histogram(
    "keyshop_http_request_seconds",
    "Time from the request's arrival to the end of its answer.",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
)
