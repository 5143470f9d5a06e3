"""
Visitors: requests over raw sockets, one at a time on each kept-alive connection.

A separate process, so that its processor time is not counted as the server's. It reads one batch per
line from standard input, and prints one line of figures for each.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import cycle
from time import perf_counter
from typing import Final, cast

import msgspec
import uvloop

from bench.machine import Machine, Process, python
from keyshop.entrypoints.cli.parent import exit_with_parent

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_TIMEOUT: Final = 120.0  # seconds for one batch


class ReadBatch(msgspec.Struct, frozen=True):
    """The targets to request, in this order, over how many connections."""

    port: int
    targets: list[str]
    connections: int
    tokens: list[str] = []
    """The customers' tokens, assigned to the connections in turn."""


class Figures(msgspec.Struct, frozen=True):
    """The time of the whole batch and of each target, and the failed requests."""

    seconds: float
    milliseconds: list[float]
    refused: list[str]

    @property
    def rate(self) -> float:
        """Return the requests a second."""
        return len(self.milliseconds) / self.seconds


class Visitors(Process):
    """The process that sends the requests."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(python("bench.load"), log=machine.home / "load.log", talks=True)

    def send(
        self, port: int, targets: Sequence[str], *, connections: int, tokens: Sequence[str] = ()
    ) -> Figures:
        """
        Request every target, and return the figures.

        Raises:
            RuntimeError: an answer has another status than 200.
        """
        figures = self.try_all(port, targets, connections=connections, tokens=tokens)
        if figures.refused:
            raise RuntimeError(f"Not answered with 200: {figures.refused[:3]}.")
        return figures

    def try_all(
        self, port: int, targets: Sequence[str], *, connections: int, tokens: Sequence[str] = ()
    ) -> Figures:
        """Request every target, and return the figures, failed requests included."""
        batch = msgspec.json.encode(ReadBatch(port, list(targets), connections, list(tokens)))
        self.input.write(batch.decode() + "\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=Figures)


class _Visitor(asyncio.Protocol):
    """One connection: sends the next request when the last answer is complete."""

    def __init__(
        self, targets: Iterator[tuple[int, str]], figures: Figures, token: str | None
    ) -> None:
        self._targets = targets
        self._figures = figures
        self._headers = "Host: shop\r\nAccept: application/json\r\n"
        if token is not None:
            self._headers += f"Authorization: Bearer {token}\r\n"
        self._buffer = bytearray()
        self._missing = 0
        self._place, self._target, self._begun = 0, "", 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of this class, but do not inherit from it.
        self._transport = cast("asyncio.Transport", transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._missing:
            self._missing = _length_of(self._buffer)
        if self._missing and len(self._buffer) >= self._missing:
            self._figures.milliseconds[self._place] = (perf_counter() - self._begun) * 1000
            if self._buffer[9:12] != b"200":
                self._figures.refused.append(f"{self._target} {bytes(self._buffer[9:12])!r}")
            self._buffer.clear()
            self._missing = 0
            self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._figures.refused.append(f"{self._target}: connection lost, {exc!r}")
            self.done.set_result(None)

    def _send_next(self) -> None:
        assert self._transport is not None
        self._place, self._target = next(self._targets, (-1, ""))
        if self._place < 0:
            self.done.set_result(None)
            self._transport.close()
            return
        self._begun = perf_counter()
        self._transport.write(f"GET {self._target} HTTP/1.1\r\n{self._headers}\r\n".encode())


def _length_of(buffer: bytearray) -> int:
    """Return the length of the whole answer in bytes; 0 while its head is incomplete."""
    end = buffer.find(_END)
    if end < 0:
        return 0
    head = bytes(buffer[:end]).lower()
    begin = head.index(_LENGTH) + len(_LENGTH)
    return end + len(_END) + int(head[begin:].split(b"\r\n", 1)[0])


async def _visit(batch: ReadBatch) -> Figures:
    figures = Figures(0.0, [0.0] * len(batch.targets), [])
    targets = iter(enumerate(batch.targets))
    loop = asyncio.get_running_loop()
    tokens = cycle(batch.tokens or [None])
    begun = perf_counter()
    visitors = [
        await loop.create_connection(
            lambda: _Visitor(targets, figures, next(tokens)), "127.0.0.1", batch.port
        )
        for _ in range(batch.connections)
    ]
    async with asyncio.timeout(_TIMEOUT):
        await asyncio.gather(*(visitor.done for _, visitor in visitors))
    return msgspec.structs.replace(figures, seconds=perf_counter() - begun)


def main() -> None:
    """Send the batches from standard input."""
    exit_with_parent(os.getppid())
    for line in sys.stdin:
        figures = uvloop.run(_visit(msgspec.json.decode(line, type=ReadBatch)))
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
