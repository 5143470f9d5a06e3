"""A limit for log lines that would otherwise repeat with every request or every poll."""

import time
from typing import Final

LOG_INTERVAL: Final = 10.0  # seconds


class LogThrottle:
    """Lets one line pass, then none for `LOG_INTERVAL`."""

    def __init__(self) -> None:
        self._logged_at = float("-inf")

    def should_log(self) -> bool:
        """Return whether to write the line now; True starts the next interval."""
        now = time.monotonic()
        if now - self._logged_at < LOG_INTERVAL:
            return False
        self._logged_at = now
        return True

    def reset(self) -> None:
        """Let the next line pass."""
        self._logged_at = float("-inf")
