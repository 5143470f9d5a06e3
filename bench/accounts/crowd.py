"""
Many customers at once: each with an address of its own, on a connection of its own.

A process of its own, so that its work is not counted as the server's. It reads one order a line from
standard input and answers with one line of answers.
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

_TIMEOUT: Final = 120.0  # seconds, then a customer gives up


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one customer asks for."""

    path: str
    address: str
    method: str = "POST"
    body: str = ""
    token: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it came to; status 0 when there was no answer, and then `body` says why."""

    status: int
    seconds: float
    body: str


class Order(msgspec.Struct, frozen=True):
    """Ask for all of these, so many at once."""

    port: int
    requests: list[Request]
    at_once: int


class Answers(msgspec.Struct, frozen=True):
    """The answers in the order of the requests, and the seconds from first to last."""

    seconds: float
    answers: list[Answer]

    @property
    def rate(self) -> float:
        """Return the answers a second."""
        return len(self.answers) / self.seconds


class Crowd(Process):
    """The process in which the customers are."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(python("bench.accounts.crowd"), log=machine.home / "crowd.log", talks=True)

    def ask(self, port: int, requests: Sequence[Request], *, at_once: int) -> Answers:
        """Ask for everything, and return what was answered, whatever it is."""
        order = msgspec.json.encode(Order(port, list(requests), at_once))
        self.input.write(order.decode() + "\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=Answers)


async def _carry_out(order: Order) -> Answers:
    answers: list[Answer | None] = [None] * len(order.requests)
    waiting = iter(enumerate(order.requests))
    begun = perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(order.at_once):
            group.create_task(_take_turns(order.port, waiting, answers))
    seconds = perf_counter() - begun
    return Answers(seconds, [answer for answer in answers if answer is not None])


async def _take_turns(
    port: int, waiting: Iterator[tuple[int, Request]], answers: list[Answer | None]
) -> None:
    for place, request in waiting:
        answers[place] = await _ask(port, request)


async def _ask(port: int, request: Request) -> Answer:
    begun = perf_counter()
    try:
        async with asyncio.timeout(_TIMEOUT):
            status, body = await _exchange(port, request)
    except (OSError, TimeoutError, ValueError) as error:
        status, body = 0, repr(error)
    return Answer(status=status, seconds=perf_counter() - begun, body=body)


async def _exchange(port: int, request: Request) -> tuple[int, str]:
    """Return status and body, of a connection that the server closes."""
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
    """Carry out orders until there are no more."""
    exit_with_parent(os.getppid())
    for line in sys.stdin:
        answers = uvloop.run(_carry_out(msgspec.json.decode(line, type=Order)))
        sys.stdout.write(msgspec.json.encode(answers).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
