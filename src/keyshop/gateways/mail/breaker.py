"""A circuit breaker: mails do not wait one after the other for an unreachable server."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from keyshop.mail.protocol import MailRefused, MailUnavailable

DEFAULT_OPEN_TIME: Final = timedelta(seconds=15)


class ServerUnreachable(MailUnavailable):
    """The server failed, independently of the mail."""


class Breaker:
    """
    Refuses mails at once for a while after the server was unreachable; then lets one mail try first.

    Without it, a server that accepts connections and never answers would occupy all places that a
    worker has for slow jobs.
    """

    def __init__(
        self,
        open_time: timedelta = DEFAULT_OPEN_TIME,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_time = open_time
        self._monotonic = monotonic
        self._open_until: float | None = None
        self._is_trying = False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """
        Let the block use the server, unless it was unreachable a moment ago.

        Raises:
            MailUnavailable: it was unreachable, or another mail is trying it now.
        """
        is_first = self._open_until is not None
        if self._open_until is not None and (
            self._is_trying or self._monotonic() < self._open_until
        ):
            raise MailUnavailable("The mail server was unreachable a moment ago.")
        self._is_trying = self._is_trying or is_first
        try:
            yield
        except ServerUnreachable:
            self._open_until = self._monotonic() + self._open_time.total_seconds()
            raise
        except (MailRefused, MailUnavailable):
            self._open_until = None  # it answers, whatever it said about this mail
            raise
        else:
            self._open_until = None
        finally:
            if is_first:
                self._is_trying = False
