"""How long it takes until the cache is trusted again after a fault."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from tests.consistency.metrics import read_hits

_EVERY = 0.1  # seconds


class RecoveryWatch:
    """Looks at the hits of every process of the API after a fault, until the next one begins."""

    def __init__(self, base_urls: Sequence[str]) -> None:
        self._base_urls = base_urls
        self._faults = 0
        self._watch: asyncio.Task[None] | None = None
        self.seconds: list[float] = []
        """From the end of a fault until there were hits, of each process each time."""

        self.cut_short: list[float] = []
        """How long there had been none when the next fault began."""

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Look when the block has ended, unless something else is wrong then."""
        self._faults += 1
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        try:
            yield
        finally:
            self._faults -= 1
            if not self._faults:
                self._watch = asyncio.create_task(self._look())

    async def _look(self) -> None:
        await asyncio.gather(*(self._look_at(url) for url in self._base_urls))

    async def _look_at(self, url: str) -> None:
        began = monotonic()
        before = await asyncio.to_thread(read_hits, url)
        if before is None:
            return  # it tells of no hits at all, or is away itself
        hits = before
        try:
            while hits <= before:
                await asyncio.sleep(_EVERY)
                found = await asyncio.to_thread(read_hits, url)
                hits = found or 0
        except asyncio.CancelledError:
            self.cut_short.append(monotonic() - began)
            raise
        self.seconds.append(monotonic() - began)
