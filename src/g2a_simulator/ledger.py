"""The calls that arrived: the last ones, counts by kind, and the rate per minute."""

from collections import Counter, deque
from datetime import datetime

import msgspec

_MAX_CALLS = 1_000
_WINDOW_SECONDS = 60.0


class LedgerEntry(msgspec.Struct, frozen=True):
    """One call of the buyer API."""

    at: datetime
    endpoint: str
    method: str
    target: str
    status: int | None  # None: no answer was sent
    fault: str | None


class Ledger:
    """Records every call of the buyer API, refused ones included."""

    def __init__(self) -> None:
        self.calls: deque[LedgerEntry] = deque(maxlen=_MAX_CALLS)
        self.counts: Counter[tuple[str, int | None]] = Counter()
        self.most_in_60s = 0
        self._minute: deque[float] = deque()

    def count_arrival(self, at: float) -> None:
        """Count a call in the sliding minute; `at` is in seconds since 1970."""
        minute = self._minute
        minute.append(at)
        while minute[0] <= at - _WINDOW_SECONDS:
            minute.popleft()
        self.most_in_60s = max(self.most_in_60s, len(minute))

    def record(self, call: LedgerEntry) -> None:
        """Record a call and its status."""
        self.calls.append(call)
        self.counts[call.endpoint, call.status] += 1

    def count(self, endpoint: str | None = None, *, status: int | None = None) -> int:
        """Count the calls, optionally of one endpoint and with one status."""
        return sum(
            number
            for (called, sent), number in self.counts.items()
            if endpoint in {None, called} and status in {None, sent}
        )

    def clear(self) -> None:
        self.calls.clear()
        self.counts.clear()
        self._minute.clear()
        self.most_in_60s = 0


class RequestLimit:
    """A sliding window that admits at most `limit` calls in any 60 seconds."""

    def __init__(self) -> None:
        self._admitted: deque[float] = deque()

    def admit(self, at: float, *, limit: int | None) -> bool:
        """Test whether the limit admits one more call now, and count it if so."""
        if limit is None:
            return True
        admitted = self._admitted
        while admitted and admitted[0] <= at - _WINDOW_SECONDS:
            admitted.popleft()
        if len(admitted) >= limit:
            return False
        admitted.append(at)
        return True
