"""Requests and replies, and the ways in which a reply may fail to arrive."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"


@dataclass(slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True


class Delivery(Enum):
    """How much of the reply reaches the client."""

    COMPLETE = auto()
    TRUNCATED = auto()  # half of the body, then the connection is closed
    CLOSED = auto()  # the connection is closed without an answer
    RESET = auto()  # the connection is reset
    NEVER = auto()  # nothing is sent, and the connection stays open


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response."""

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    delivery: Delivery = Delivery.COMPLETE

    def encode(self, *, keep_alive: bool) -> bytes:
        """Return the bytes to send."""
        lines = b"".join(b"%s: %s\r\n" % header for header in self.headers)
        if not keep_alive:
            lines += b"connection: close\r\n"
        return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s" % (
            self.status,
            HTTPStatus(self.status).phrase.encode(),
            self.content_type,
            len(self.body),
            lines,
            self.body,
        )


@dataclass(frozen=True, slots=True)
class DelayedReply:
    """A reply that is made after some seconds; `make` takes whether the client is connected."""

    seconds: float
    make: Callable[[bool], Reply]


Handler = Callable[[Request], Reply | DelayedReply]
