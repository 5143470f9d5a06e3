"""What the worker counts."""

from typing import Final

from prometheus_client import Counter, Histogram

JOBS: Final = Counter(
    "keyshop_jobs_total", "JobExecutor at jobs, by what became of them.", ("name", "outcome")
)
JOB_SECONDS: Final = Histogram(
    "keyshop_job_seconds",
    "How long an attempt at a job took, in seconds.",
    ("name",),
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 1800),
)
