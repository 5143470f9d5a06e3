"""Metrics of the worker."""

from typing import Final

from prometheus_client import Counter, Histogram

JOBS: Final = Counter("keyshop_jobs_total", "Attempts at jobs, by outcome.", ("name", "outcome"))
JOB_SECONDS: Final = Histogram(
    "keyshop_job_seconds",
    "Duration of attempts at jobs, in seconds.",
    ("name",),
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 1800),
)
