"""Refusals of an attempt whose password is not verified."""

from typing import Final

from keyshop.kit.errors import TooMany

_RETRY_DELAY: Final = 1.0  # seconds until the attempt in progress should have ended


class Locked(TooMany):
    """There were too many wrong passwords in a row."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(
            "Too many wrong passwords. Please wait and try again.", retry_after=max(seconds, 1.0)
        )


class AttemptInProgress(TooMany):
    """Another attempt with the same counter is in progress, and locks if its password is wrong."""

    def __init__(self) -> None:
        super().__init__(
            "Too many attempts at once. Please wait a moment and try again.",
            retry_after=_RETRY_DELAY,
        )
