"""Counters of wrong passwords, and what they say about the next attempt."""

from datetime import datetime

from msgspec import Struct


class FailureCounter(Struct, frozen=True):
    """The key of wrong passwords that are counted together."""

    email_digest: str
    """Of the account, or of an address that has none."""

    client_digest: str = ""
    """Empty: the counter of all clients that have none of their own."""


class LockoutState(Struct, frozen=True, kw_only=True):
    """What a counter says about the next attempt."""

    locked_until: datetime | None
    """None: not locked now."""

    is_reserved: bool
    """An attempt in progress has reserved the failure that locks."""

    locks_next: bool
    """The next wrong password locks."""


class FailureSummary(Struct, frozen=True):
    """The most consecutive failures and the latest lock of an account's counters."""

    failures: int
    locked_until: datetime | None
