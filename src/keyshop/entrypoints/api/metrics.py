"""Figures for Prometheus: of all processes of the shop at one address."""

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keyshop.kit.multiprocess_metrics import SharedCounts

Gauges: TypeAlias = Callable[[], Awaitable[Iterable[Metric]]]
"""Figures that are the same for all processes and are read at the time, such as queue lengths."""


class _Ready(Collector):
    """Figures that have been read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def metrics_handler(folder: Path | None, gauges: Gauges | None) -> HTTPRouteHandler:
    """Return the handler of /metrics; without a folder it tells of this process alone."""

    @get("/metrics", include_in_schema=False)
    async def metrics() -> Response[bytes]:
        registry = CollectorRegistry()
        if folder is not None:
            registry.register(SharedCounts(folder))
        if gauges is not None:
            registry.register(_Ready(list(await gauges())))
        figures = generate_latest(registry)
        if folder is None:
            figures = generate_latest(REGISTRY) + figures
        return Response(figures, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
