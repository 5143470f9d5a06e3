"""Metrics for Prometheus at /metrics, for all processes of the shop."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keyshop.kit.multiprocess_metrics import SharedCounts

ReadMetrics: TypeAlias = Callable[[], Awaitable[Iterable[Metric]]]
"""Reads metrics that are the same for all processes, such as queue lengths."""


class _CollectedMetrics(Collector):
    """Metrics that have been read already, since a collector cannot be async."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def metrics_handler(folder: Path | None, read_metrics: ReadMetrics | None) -> HTTPRouteHandler:
    """Return the handler of /metrics; without a folder it shows this process alone."""

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        registry = CollectorRegistry()
        if folder is not None:
            registry.register(SharedCounts(folder))
        if read_metrics is not None:
            registry.register(_CollectedMetrics(list(await read_metrics())))
        exposition = generate_latest(registry)
        if folder is None:
            exposition = generate_latest(REGISTRY) + exposition
        return Response(exposition, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
