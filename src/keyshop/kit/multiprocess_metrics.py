"""What all processes of a shop have counted, out of the folder that they share."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector


class SharedCounts(Collector):
    """
    The figures of a folder that processes were given with `keyshop.kit.metrics.share_metrics`.

    A process that just begins to count makes its file first and gives it room after that. The
    library's own look at the folder fails on such a file, and with it the figures of all others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return the figures as they are now."""
        files = [str(file) for file in self._folder.glob("*.db") if file.stat().st_size]
        # The library leaves it without types.
        metrics: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return metrics
