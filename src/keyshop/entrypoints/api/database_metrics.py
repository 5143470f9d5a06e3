"""Figures that are counted in PostgreSQL when somebody looks: runs, rows, jobs."""

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from keyshop.kit.cache import status
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.jobs import count_jobs
from keyshop.sync.queries import count_quarantined, list_run_figures

_TIMEOUT: Final = 2.0  # seconds


async def read_figures(db: Database) -> Iterable[Metric]:
    """Return the figures; none while the database does not answer, so that the others show."""
    try:
        async with asyncio.timeout(_TIMEOUT), db.read() as reader:
            return [
                *await _sync_figures(reader),
                *await _job_figures(reader),
                *await _cache_figures(reader),
            ]
    except (DatabaseUnavailable, TimeoutError):
        return []


async def _sync_figures(reader: Reader) -> list[Metric]:
    runs = CounterMetricFamily("keyshop_sync_runs", "Runs by how they ended.", labels=_BY_RUN)
    rows = CounterMetricFamily("keyshop_sync_rows", "Products by fate.", labels=("kind", "fate"))
    ended = GaugeMetricFamily(
        "keyshop_sync_last_end_timestamp_seconds", "When a run last ended so.", labels=_BY_RUN
    )
    totals: dict[tuple[str, str], int] = {}
    for found in await list_run_figures(reader):
        runs.add_metric([found.kind, found.state], found.runs)
        if found.finished_at is not None:
            ended.add_metric([found.kind, found.state], found.finished_at.timestamp())
        for fate in ("products", "added", "updated", "rejected"):
            key = (found.kind, fate)
            totals[key] = totals.get(key, 0) + getattr(found, fate)
    for (kind, fate), number in sorted(totals.items()):
        rows.add_metric([kind, fate], number)
    quarantined = GaugeMetricFamily(
        "keyshop_sync_quarantined", "Products of the supplier that are not believed now."
    )
    quarantined.add_metric([], await count_quarantined(reader))
    return [runs, rows, ended, quarantined]


async def _job_figures(reader: Reader) -> list[Metric]:
    jobs = GaugeMetricFamily("keyshop_jobs", "Jobs in the queue.", labels=_BY_JOB)
    oldest = GaugeMetricFamily(
        "keyshop_jobs_oldest_seconds", "Age of the oldest of them.", labels=_BY_JOB
    )
    for found in await count_jobs(reader):
        jobs.add_metric([found.name, found.state], found.jobs)
        oldest.add_metric([found.name, found.state], found.oldest_seconds)
    return [jobs, oldest]


async def _cache_figures(reader: Reader) -> list[Metric]:
    control, outbox = await status.read_figures(reader)
    return [
        GaugeMetricFamily(
            "keyshop_cache_open", "1 when PostgreSQL vouches for Redis.", control.is_open
        ),
        GaugeMetricFamily(
            "keyshop_cache_state_changes", "Openings, closings and epochs.", control.seq
        ),
        GaugeMetricFamily(
            "keyshop_cache_relay_seconds",
            "Time since a relay last delivered everything; above 1 nothing is trusted.",
            control.beat_seconds,
        ),
        GaugeMetricFamily(
            "keyshop_cache_outbox_rows", "Changes that are not delivered.", outbox.rows
        ),
        GaugeMetricFamily(
            "keyshop_cache_outbox_oldest_seconds", "Age of the oldest of them.", outbox.oldest
        ),
    ]


_BY_RUN = ("kind", "state")
_BY_JOB = ("name", "state")
