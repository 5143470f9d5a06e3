"""Metrics for Prometheus at /metrics, for all processes of the shop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keyshop.kit.multiprocess_metrics import SharedFolderCollector

ReadMetrics: TypeAlias = Callable[[], Coroutine[Any, Any, Iterable[Metric]]]
"""Reads metrics that are the same for all processes, such as queue lengths."""

_MAX_WAIT: Final = 0.1  # seconds for the metrics that are read

_log = structlog.get_logger(__name__)


class _CollectedMetrics(Collector):
    """Metrics that have been read already, since a collector cannot be async."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _Reading:
    """Reads metrics for one scrape after the other, and waits for none that takes long."""

    def __init__(self, read: ReadMetrics) -> None:
        self._read = read
        self._task: asyncio.Task[Iterable[Metric]] | None = None

    async def read(self) -> list[Metric]:
        """Return the metrics; none if they cannot be read in time."""
        if self._task is None:
            self._task = asyncio.create_task(self._read())
        # Not cancelled when it is late: that would wait for the database as well.
        await asyncio.wait({self._task}, timeout=_MAX_WAIT)
        if not self._task.done():
            return []
        task, self._task = self._task, None
        try:
            return list(task.result())
        except Exception as error:  # noqa: BLE001 - the others are shown, whatever it is
            _log.warning("metrics.not_read", reason=type(error).__name__)
            return []


def metrics_handler(folder: Path | None, read_metrics: ReadMetrics | None) -> HTTPRouteHandler:
    """Return the handler of /metrics; without a folder it shows this process alone."""
    shared = None if folder is None else SharedFolderCollector(folder)
    reading = None if read_metrics is None else _Reading(read_metrics)

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        registry = CollectorRegistry()
        if shared is not None:
            registry.register(shared)
        if reading is not None:
            registry.register(_CollectedMetrics(await reading.read()))
        exposition = generate_latest(registry)
        if shared is None:
            exposition = generate_latest(REGISTRY) + exposition
        return Response(exposition, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
