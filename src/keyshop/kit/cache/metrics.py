"""The metrics of the cache."""

from typing import Final

from prometheus_client import Counter, Histogram

READS: Final = Counter(
    "keyshop_cache_reads_total",
    "Reads by outcome: hit, miss, busy, wait, joined, bypass, far.",
    ["family", "outcome"],
)
FILLS: Final = Counter(
    "keyshop_cache_fills_total",
    "Fills by outcome: accepted, refused, failed, skipped.",
    ["family", "outcome"],
)
COMMITS: Final = Counter(
    "keyshop_cache_commits_total",
    "Transactions that invalidate, by path: guarded, unpublished, relayed, closed, closing.",
    ["path"],
)
INVALIDATION: Final = Histogram(
    "keyshop_cache_invalidation_seconds",
    "The time that the protocol adds to a commit.",
    ["path"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
RELAYED: Final = Counter(
    "keyshop_cache_relayed_total", "Rows of the outbox that a relay delivered or dropped.", ["fate"]
)
RECOVERIES: Final = Counter(
    "keyshop_cache_recoveries_total", "Openings of the cache: cold or warm.", ["kind"]
)
RECOVERY: Final = Histogram(
    "keyshop_cache_recovery_seconds",
    "The time from CLOSE to the opening.",
    ["kind"],
    buckets=(0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 15.0, 60.0),
)
