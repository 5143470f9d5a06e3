"""The metrics of calls to G2A."""

from typing import Final

from prometheus_client import Counter, Histogram

CALLS: Final = Counter(
    "keyshop_supplier_calls_total",
    "Calls sent to the supplier, by how they ended: ok, unavailable, refused or unknown.",
    ["endpoint", "outcome"],
)

CALL_SECONDS: Final = Histogram(
    "keyshop_supplier_call_seconds",
    "How long the supplier took to answer, in seconds.",
    ["endpoint"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 90),
)

BUDGET_WAIT_SECONDS: Final = Histogram(
    "keyshop_supplier_budget_wait_seconds",
    "How long a call waited for its share of the supplier's rate limit, in seconds.",
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60),
)
