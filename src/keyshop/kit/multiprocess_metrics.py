"""The metrics of all processes of a shop, read from the folder that they share."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector


class SharedFolderCollector(Collector):
    """
    Collects from the folder of `keyshop.kit.metrics.share_metrics`.

    A new process first creates its file and writes to it a moment later. The library's own collector
    fails on an empty file, and the metrics of all other processes would be missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._folder.glob("*.db") if file.stat().st_size]
        # The library has no types for it.
        metrics: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return metrics
