"""The one place that decides whether a failed job is retried, and when."""

from datetime import timedelta
from typing import Final

from keyshop.kit.database import errors as database_errors
from keyshop.kit.errors import Conflict, Unavailable
from keyshop.mail.protocol import MailUncertain
from keyshop.supplier.errors import OutcomeUnknown, SupplierUnavailable

# Faults that pass by themselves. Any other would recur, so its job waits for a person.
RETRYABLE: Final = (SupplierUnavailable, OutcomeUnknown, Unavailable, *database_errors.RETRYABLE)

MAX_ATTEMPTS: Final = 12
MAX_LOST_WORKERS: Final = 5
_FIRST_DELAY: Final = timedelta(seconds=2)
_MAX_DELAY: Final = timedelta(minutes=10)
# A mail that may have been taken is sent only once more, and not while the same fault may last.
_UNCERTAIN_DELAY: Final = timedelta(minutes=3)


class WorkersLost(Conflict):
    """Workers die while they run this job; it must not bring down one after the other."""

    def __init__(self, lost: int) -> None:
        super().__init__(
            f"{lost} workers died while they ran this job; check their memory and their logs."
        )


def delay_before_retry(
    error: BaseException, *, attempt: int, jitter: float, max_attempts: int = MAX_ATTEMPTS
) -> timedelta | None:
    """
    Return the delay after a failed attempt (the first is 1), or None: the job becomes a dead letter.

    The delay doubles each time, from two seconds to ten minutes. `jitter`, from 0 to 1, spreads it
    between half and one and a half of that, so that jobs that failed together do not retry
    together. A mail that may have been taken waits for three minutes.
    """
    if not isinstance(error, RETRYABLE) or attempt >= max_attempts:
        return None
    if isinstance(error, MailUncertain):
        return _UNCERTAIN_DELAY * (0.5 + jitter)
    # The exponent is bounded first: a timedelta overflows long before an int does.
    delay = _FIRST_DELAY * (1 << min(attempt - 1, 16))
    return min(delay, _MAX_DELAY) * (0.5 + jitter)
