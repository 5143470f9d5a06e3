"""Metrics that are read from PostgreSQL for each scrape: sync runs, jobs, cache."""

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from keyshop.kit.cache.statistics import read_statistics
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.jobs import count_jobs
from keyshop.sync.quarantine_queries import count_quarantined
from keyshop.sync.queries import list_run_totals
from keyshop.wallet.intent_queries import count_held

_TIMEOUT: Final = 2.0  # seconds
_RUN_LABELS: Final = ("kind", "state")
_JOB_LABELS: Final = ("name", "state")


async def read_database_metrics(db: Database) -> Iterable[Metric]:
    """Return the metrics; none while the database does not answer, so that others are shown."""
    try:
        async with asyncio.timeout(_TIMEOUT), db.read() as reader:
            return [
                *await _sync_metrics(reader),
                *await _job_metrics(reader),
                *await _cache_metrics(reader),
                await _top_up_metric(reader),
            ]
    except (DatabaseUnavailable, TimeoutError):
        return []


async def _sync_metrics(reader: Reader) -> list[Metric]:
    runs = CounterMetricFamily(
        "keyshop_sync_runs", "Sync runs by their final state.", labels=_RUN_LABELS
    )
    rows = CounterMetricFamily(
        "keyshop_sync_rows", "Products by what the sync did with them.", labels=("kind", "fate")
    )
    last_ends = GaugeMetricFamily(
        "keyshop_sync_last_end_timestamp_seconds",
        "Time at which a run last ended in this state.",
        labels=_RUN_LABELS,
    )
    totals: dict[tuple[str, str], int] = {}
    for group in await list_run_totals(reader):
        # A running one has no final state yet, and a counter must never fall.
        if group.finished_at is not None:
            runs.add_metric([group.kind, group.state], group.runs)
            last_ends.add_metric([group.kind, group.state], group.finished_at.timestamp())
        for fate in ("products", "added", "updated", "rejected"):
            key = (group.kind, fate)
            totals[key] = totals.get(key, 0) + getattr(group, fate)
    for (kind, fate), number in sorted(totals.items()):
        rows.add_metric([kind, fate], number)
    quarantined = GaugeMetricFamily(
        "keyshop_sync_quarantined", "Products of the supplier in quarantine."
    )
    quarantined.add_metric([], await count_quarantined(reader))
    return [runs, rows, last_ends, quarantined]


async def _job_metrics(reader: Reader) -> list[Metric]:
    jobs = GaugeMetricFamily("keyshop_jobs", "Jobs in the queue.", labels=_JOB_LABELS)
    oldest = GaugeMetricFamily(
        "keyshop_jobs_oldest_seconds", "Age of the oldest job.", labels=_JOB_LABELS
    )
    for group in await count_jobs(reader):
        jobs.add_metric([group.name, group.state], group.jobs)
        oldest.add_metric([group.name, group.state], group.oldest_seconds)
    return [jobs, oldest]


async def _cache_metrics(reader: Reader) -> list[Metric]:
    control, outbox = await read_statistics(reader)
    return [
        GaugeMetricFamily(
            "keyshop_cache_open", "1 while the cache may be trusted.", control.is_open
        ),
        GaugeMetricFamily(
            "keyshop_cache_state_changes",
            "Changes of the cache's state: openings, closings and epochs.",
            control.seq,
        ),
        GaugeMetricFamily(
            "keyshop_cache_relay_seconds",
            "Time since a relay last delivered everything; above 1 the cache is not trusted.",
            control.beat_seconds,
        ),
        GaugeMetricFamily(
            "keyshop_cache_outbox_rows", "Changes that are not delivered to Redis yet.", outbox.rows
        ),
        GaugeMetricFamily(
            "keyshop_cache_outbox_oldest_seconds",
            "Age of the oldest undelivered change.",
            outbox.oldest,
        ),
    ]


async def _top_up_metric(reader: Reader) -> Metric:
    return GaugeMetricFamily(
        "keyshop_top_ups_held",
        "Payments that did not fit their top-up, for an operator.",
        await count_held(reader),
    )
