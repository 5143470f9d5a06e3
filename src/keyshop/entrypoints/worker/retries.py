"""The one place that decides whether a failed job is tried again."""

from datetime import timedelta
from typing import Final

from keyshop.kit.errors import Conflict, Unavailable
from keyshop.mail.protocol import MailUncertain
from keyshop.supplier.errors import OutcomeUnknown, SupplierUnavailable

# What passes by itself. Anything else would fail in the same way again and goes to a person.
RETRIED: Final = (SupplierUnavailable, OutcomeUnknown, Unavailable)

MAX_ATTEMPTS: Final = 12
MAX_WORKERS_LOST: Final = 5
_FIRST_DELAY: Final = timedelta(seconds=2)
_MAX_DELAY: Final = timedelta(minutes=10)
# A mail that may have been taken is given but once more: not while the same fault lasts.
_UNCERTAIN_DELAY: Final = timedelta(minutes=3)


class WorkersLost(Conflict):
    """Whoever takes the job dies; it would bring down one worker after the other."""

    def __init__(self, lost: int) -> None:
        super().__init__(f"{lost} workers died over this job; look at their memory and their logs.")


def delay_before_retry(
    error: BaseException, *, attempt: int, jitter: float, most_attempts: int = MAX_ATTEMPTS
) -> timedelta | None:
    """
    Return how long a job waits after its attempt (the first is 1) failed, or None: it is dead.

    The delay doubles each time, from two seconds to ten minutes. `jitter`, from 0 to 1, spreads it
    between half and one and a half of that, so that what failed together does not return together.
    A mail that may have been taken waits for three minutes.
    """
    if not isinstance(error, RETRIED) or attempt >= most_attempts:
        return None
    if isinstance(error, MailUncertain):
        return _UNCERTAIN_DELAY * (0.5 + jitter)
    # Bounded before it is used: a timedelta overflows long before an int does.
    delay = _FIRST_DELAY * (1 << min(attempt - 1, 16))
    return min(delay, _MAX_DELAY) * (0.5 + jitter)
