"""
Many parallel customers, each with its own network address and connection.

A separate process, so that its processor time is not counted as the server's. It reads one batch per
line from standard input, and prints one line of answers for each.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final

import msgspec
import uvloop

from bench.machine import Machine, Process, python
from keyshop.entrypoints.cli.parent import exit_with_parent

_TIMEOUT: Final = 120.0  # seconds for one request


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's request."""

    path: str
    address: str
    method: str = "POST"
    body: str = ""
    token: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; status 0 means that there was none, and `body` gives the reason."""

    status: int
    seconds: float
    body: str


class RequestBatch(msgspec.Struct, frozen=True):
    """The requests to send, and how many in parallel."""

    port: int
    requests: list[Request]
    max_parallel: int


class Answers(msgspec.Struct, frozen=True):
    """The answers in the order of the requests, and the seconds from first to last."""

    seconds: float
    answers: list[Answer]

    @property
    def rate(self) -> float:
        """Return the answers a second."""
        return len(self.answers) / self.seconds


class Crowd(Process):
    """Controls the process of the customers."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(python("bench.accounts.crowd"), log=machine.home / "crowd.log", talks=True)

    def send(self, port: int, requests: Sequence[Request], *, max_parallel: int) -> Answers:
        """Send the requests, and return all answers, errors included."""
        batch = msgspec.json.encode(RequestBatch(port, list(requests), max_parallel))
        self.input.write(batch.decode() + "\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=Answers)


async def _send_all(batch: RequestBatch) -> Answers:
    answers: list[Answer | None] = [None] * len(batch.requests)
    waiting = iter(enumerate(batch.requests))
    begun = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(batch.max_parallel):
            group.create_task(_send_in_turn(batch.port, waiting, answers))
    seconds = perf_counter() - begun
    return Answers(seconds, [answer for answer in answers if answer is not None])


async def _send_in_turn(
    port: int, waiting: Iterator[tuple[int, Request]], answers: list[Answer | None]
) -> None:
    for place, request in waiting:
        answers[place] = await _send(port, request)


async def _send(port: int, request: Request) -> Answer:
    begun = perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT):
            status, body = await _exchange(port, request)
    except (OSError, TimeoutError, ValueError) as error:
        status, body = 0, repr(error)
    return Answer(status=status, seconds=perf_counter() - begun, body=body)


async def _exchange(port: int, request: Request) -> tuple[int, str]:
    """Return status and body; the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_written(request))
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    return int(head[9:12]), body.decode()


def _written(request: Request) -> bytes:
    body = request.body.encode()
    lines = [
        f"{request.method} {request.path} HTTP/1.1",
        "Host: shop",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Forwarded-For: {request.address}",
    ]
    if request.token:
        lines.append(f"Authorization: Bearer {request.token}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def main() -> None:
    """Send the batches from standard input."""
    exit_with_parent(os.getppid())
    for line in sys.stdin:
        answers = uvloop.run(_send_all(msgspec.json.decode(line, type=RequestBatch)))
        sys.stdout.write(msgspec.json.encode(answers).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
