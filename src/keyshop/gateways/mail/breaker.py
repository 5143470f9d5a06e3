"""A circuit breaker: mails do not wait one after the other for a server that is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from keyshop.mail.protocol import MailRefused, MailUnavailable


class ServerAway(MailUnavailable):
    """The server failed, independently of the mail."""


class Breaker:
    """
    After the server was away, refuses at once for a while; then lets one mail try first.

    Without it, a server that accepts connections and never answers would occupy all places that a
    worker has for slow jobs.
    """

    def __init__(
        self, open_for: timedelta, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_for = open_for
        self._monotonic = monotonic
        self._away_until: float | None = None
        self._is_trying = False

    @contextmanager
    def guard(self) -> Iterator[None]:
        """
        Let the block use the server, unless it was away a moment ago.

        Raises:
            MailUnavailable: it was, or another mail is trying it now.
        """
        is_first = self._away_until is not None
        if self._away_until is not None and (
            self._is_trying or self._monotonic() < self._away_until
        ):
            raise MailUnavailable("The mail server was unreachable a moment ago.")
        self._is_trying = self._is_trying or is_first
        try:
            yield
        except ServerAway:
            self._away_until = self._monotonic() + self._open_for.total_seconds()
            raise
        except (MailRefused, MailUnavailable):
            self._away_until = None  # it answers, whatever it said about this mail
            raise
        else:
            self._away_until = None
        finally:
            if is_first:
                self._is_trying = False
