"""The calls that came in: the last ones, how many of which kind, how many a minute."""

from collections import Counter, deque
from datetime import datetime

import msgspec

_REMEMBERED = 1_000
_WINDOW = 60.0


class Call(msgspec.Struct, frozen=True):
    """One call of the buyer's API."""

    at: datetime
    endpoint: str
    method: str
    target: str
    status: int | None  # None: there was no answer
    fault: str | None


class Ledger:
    """Counts every call of the buyer's API, refused ones included."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=_REMEMBERED)
        self.counts: Counter[tuple[str, int | None]] = Counter()
        self.most_in_60s = 0
        self._minute: deque[float] = deque()

    def arrive(self, at: float) -> None:
        """Count a call into the sliding minute; seconds since 1970."""
        minute = self._minute
        minute.append(at)
        while minute[0] <= at - _WINDOW:
            minute.popleft()
        self.most_in_60s = max(self.most_in_60s, len(minute))

    def record(self, call: Call) -> None:
        """Remember a call and how it ended."""
        self.calls.append(call)
        self.counts[call.endpoint, call.status] += 1

    def count(self, endpoint: str | None = None, *, status: int | None = None) -> int:
        """Return how many calls there were, of one endpoint, with one status."""
        return sum(
            number
            for (where, ended), number in self.counts.items()
            if endpoint in {None, where} and status in {None, ended}
        )

    def clear(self) -> None:
        """Forget all calls."""
        self.calls.clear()
        self.counts.clear()
        self._minute.clear()
        self.most_in_60s = 0


class RequestLimit:
    """A sliding window: so many calls are let through in any 60 seconds."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque()

    def admit(self, at: float, *, limit: int | None) -> bool:
        """Test whether one more call may pass now, and if so count it."""
        if limit is None:
            return True
        passed = self._passed
        while passed and passed[0] <= at - _WINDOW:
            passed.popleft()
        if len(passed) >= limit:
            return False
        passed.append(at)
        return True
