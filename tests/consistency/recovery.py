"""How long it takes until the cache is trusted again after a fault."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from tests.consistency.metrics import read_hits

_POLL_INTERVAL = 0.1  # seconds


class RecoveryWatch:
    """Measures after a fault how long each API process takes to its next hit, until the next fault."""

    def __init__(self, base_urls: Sequence[str]) -> None:
        self._base_urls = base_urls
        self._faults = 0
        self._watch: asyncio.Task[None] | None = None
        self.seconds: list[float] = []
        """Seconds from the end of a fault to the first hit, one entry per fault and process."""

        self.cut_short: list[float] = []
        """Seconds without hits when the next fault began."""

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Measure after the block, unless another fault is active then."""
        self._faults += 1
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        try:
            yield
        finally:
            self._faults -= 1
            if not self._faults:
                self._watch = asyncio.create_task(self._measure())

    async def _measure(self) -> None:
        await asyncio.gather(*(self._measure_process(url) for url in self._base_urls))

    async def _measure_process(self, url: str) -> None:
        began = monotonic()
        before = await asyncio.to_thread(read_hits, url)
        if before is None:
            return  # it has no cache metrics, or is down
        hits = before
        try:
            while hits <= before:
                await asyncio.sleep(_POLL_INTERVAL)
                found = await asyncio.to_thread(read_hits, url)
                hits = found or 0
        except asyncio.CancelledError:
            self.cut_short.append(monotonic() - began)
            raise
        self.seconds.append(monotonic() - began)
