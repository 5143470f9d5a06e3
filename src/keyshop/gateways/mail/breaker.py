"""Keeps a backlog of mails from waiting, one after the other, for a server that is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from keyshop.mail.protocol import MailRefused, MailUnavailable


class ServerAway(MailUnavailable):
    """The server itself is in trouble, whatever the mail."""


class Breaker:
    """
    Refuses at once for a while after the server was away; then one mail tries first.

    Without it a server that accepts connections and says nothing would hold every job that a worker
    has in hand, and with them all that has nothing to do with mails.
    """

    def __init__(
        self, pause: timedelta, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause = pause
        self._monotonic = monotonic
        self._away_until: float | None = None
        self._is_trying = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """
        Let the block talk to the server, unless it was away a moment ago.

        Raises:
            MailUnavailable: it was, or another mail is finding out.
        """
        is_first = self._away_until is not None
        if self._away_until is not None and (
            self._is_trying or self._monotonic() < self._away_until
        ):
            raise MailUnavailable("The mail server was away a moment ago.")
        self._is_trying = self._is_trying or is_first
        try:
            yield
        except ServerAway:
            self._away_until = self._monotonic() + self._pause.total_seconds()
            raise
        except (MailRefused, MailUnavailable):
            self._away_until = None  # whatever it said of this mail, it answers
            raise
        else:
            self._away_until = None
        finally:
            if is_first:
                self._is_trying = False
