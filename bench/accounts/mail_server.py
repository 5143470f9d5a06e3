"""A mail server that accepts every mail, or refuses mail in different ways."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from itertools import count
from typing import Final

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from keyshop.embedded.ports import HOST, pick_free

_ACCEPTED: Final = "250 OK"


class MailMode(Enum):
    """Whether the server accepts mail."""

    ACCEPTS = "accepts mail"
    REFUSES = "refuses mail"  # drops connections, rejects recipients, or is busy


class MailServer:
    """Counts accepted mails by recipient, and refusals."""

    def __init__(self, mode: MailMode) -> None:
        self.accepted: Counter[str] = Counter()
        self.refused = 0
        self._mode = mode
        self._connections = count()

    @property
    def duplicates(self) -> int:
        """Return the number of mails beyond the first of each recipient."""
        return sum(times - 1 for times in self.accepted.values())

    # aiosmtpd calls these methods by name.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, said: list[str]
    ) -> list[str]:
        del envelope
        session.host_name = hostname
        if self._mode is MailMode.REFUSES and next(self._connections) % 3 == 2:
            self.refused += 1
            assert server.transport is not None
            server.transport.close()
        return said

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self._mode is MailMode.REFUSES:
            self.refused += 1
            busy = self.refused % 2
            return "451 4.3.2 Busy, try later" if busy else "550 5.1.1 User unknown"
        envelope.rcpt_tos.append(address)
        return _ACCEPTED

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        self.accepted.update(envelope.rcpt_tos)
        return _ACCEPTED


@contextmanager
def open_mail_server(mode: MailMode) -> Iterator[tuple[MailServer, str]]:
    """Run the server in a thread; yield it and its URL."""
    server, port = MailServer(mode), pick_free()
    controller = Controller(server, hostname=HOST, port=port)
    controller.start()
    try:
        yield server, f"smtp://{HOST}:{port}"
    finally:
        controller.stop()
