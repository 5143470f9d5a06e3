"""What the shop's dependencies were last found to be, looked at in the background."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Literal, TypeAlias

from msgspec import Struct

CheckResult: TypeAlias = Literal["ok", "error", "disconnected"]
"""`disconnected`: the settings leave this dependency out."""

_TIMEOUT: Final = 2.0  # seconds for each check
_SOONER: Final = 10  # times, after a check that failed


class Finding(Struct, frozen=True):
    """What a check found; anyone may read it, so `reason` names no host and no secret."""

    result: CheckResult
    reason: str | None = None
    """A sentence on what is wrong; None: nothing is."""


class Check(Struct, frozen=True):
    """How to look at a dependency, and how many seconds its finding lasts."""

    look: Callable[[], Awaitable[Finding]]
    interval: float = 2.0


Checks: TypeAlias = Mapping[str, Check]

_LATE: Final = Finding("error", f"It did not answer within {_TIMEOUT:.0f} seconds.")
_AWAY: Final = Finding("error", "It cannot be reached.")
_NEVER_LOOKED: Final = Finding("error", "It was not reached yet.")


class Probe:
    """Looks at one dependency again and again, and keeps the last finding."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._looked_at: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._checking: asyncio.Future[Finding] | None = None
        self.finding = _NEVER_LOOKED

    @property
    def age(self) -> float | None:
        """Seconds since the last look ended; None: there was none yet."""
        return None if self._looked_at is None else time.monotonic() - self._looked_at

    @property
    def is_due(self) -> bool:
        """Test whether the last finding has lasted long enough."""
        return self.age is None or self.age >= self._delay

    def refresh(self) -> asyncio.Task[None]:
        """Return the look in progress; begin one if there is none."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return self._looking

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(self._delay)
        finally:
            if self._looking is not None:
                self._looking.cancel()
                with suppress(asyncio.CancelledError):
                    await self._looking

    @property
    def _delay(self) -> float:
        interval = self._check.interval
        return interval / _SOONER if self.finding.result == "error" else interval

    async def _look(self) -> None:
        # One that does not even end when it is cancelled is not joined by others.
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self._check.look())
        await asyncio.wait({self._checking}, timeout=_TIMEOUT)
        self.finding = _finding_of(self._checking)
        self._looked_at = time.monotonic()


def _finding_of(checking: asyncio.Future[Finding]) -> Finding:
    if not checking.done():
        checking.cancel()
        return _LATE
    if checking.cancelled():
        return _LATE
    return _AWAY if checking.exception() is not None else checking.result()
