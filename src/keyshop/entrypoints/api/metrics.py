"""Metrics for Prometheus at /metrics, for all processes of the shop."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from keyshop.entrypoints.http.dependencies import shop_of
from keyshop.entrypoints.http.headers import find_header
from keyshop.entrypoints.http.requests import ApiRequest
from keyshop.kit.errors import Unauthenticated
from keyshop.kit.multiprocess_metrics import SharedFolderCollector
from keyshop.kit.secrets import Secret

ReadMetrics: TypeAlias = Callable[[], Coroutine[Any, Any, Iterable[Metric]]]
"""Reads metrics that are the same for all processes, such as queue lengths."""

_MAX_WAIT: Final = 0.1  # seconds for the metrics that are read

_NOT_SHOWN: Final = "Metrics are shown on the shop's own machine, and to those who send METRICS_TOKEN as a bearer token."

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


def metrics_handler(
    folder: Path | None, read_metrics: ReadMetrics | None, token: Secret | None
) -> HTTPRouteHandler:
    """
    Return the handler of /metrics; without a folder it shows this process alone.

    It answers clients of this machine, and others that send the token.
    """
    shared = None if folder is None else SharedFolderCollector(folder)
    reading = None if read_metrics is None else _Reading(read_metrics)

    @get("/metrics", include_in_schema=False)
    async def metrics(request: ApiRequest) -> Response[bytes]:
        shop = shop_of(request.scope)
        if not shop.proxies.is_local(request.scope) and not _has_token(request, token):
            raise Unauthenticated(_NOT_SHOWN)
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


def _has_token(request: ApiRequest, token: Secret | None) -> bool:
    scheme, _, sent = (find_header(request.scope, b"authorization") or b"").partition(b" ")
    if token is None or scheme.lower() != b"bearer":
        return False
    return hmac.compare_digest(sent.strip(), token.reveal().encode())
