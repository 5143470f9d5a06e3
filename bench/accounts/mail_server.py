"""A mail server: it takes every mail, or refuses in every way that mail servers have."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import count
from typing import Final

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from keyshop.embedded.ports import HOST, pick_free

_TAKEN: Final = "250 OK"


class Mood(Enum):
    """What the server does with mails."""

    TAKES = "takes mails"
    REFUSES = "refuses them"  # drops connections, knows nobody, or is busy


class MailServer:
    """What it was given, by recipient, and how often it refused."""

    def __init__(self, mood: Mood) -> None:
        self.taken: Counter[str] = Counter()
        self.refused = 0
        self._mood = mood
        self._connections = count()

    @property
    def given_twice(self) -> int:
        """Return how many mails came that had been taken before."""
        return sum(times - 1 for times in self.taken.values())

    # What the library calls, by these names.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, said: list[str]
    ) -> list[str]:
        del envelope
        session.host_name = hostname
        if self._mood is Mood.REFUSES and next(self._connections) % 3 == 2:
            self.refused += 1
            assert server.transport is not None
            server.transport.close()
        return said

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self._mood is Mood.REFUSES:
            self.refused += 1
            busy = self.refused % 2
            return "451 4.3.2 Busy, try later" if busy else "550 5.1.1 Nobody of that name"
        envelope.rcpt_tos.append(address)
        return _TAKEN

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        self.taken.update(envelope.rcpt_tos)
        return _TAKEN


@contextmanager
def open_mail_server(mood: Mood) -> Iterator[tuple[MailServer, str]]:
    """Run the server in a thread, and give it and its address."""
    server, port = MailServer(mood), pick_free()
    controller = Controller(server, hostname=HOST, port=port)
    controller.start()
    try:
        yield server, f"smtp://{HOST}:{port}"
    finally:
        controller.stop()
