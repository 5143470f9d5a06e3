"""
Somebody who asks steadily whether the API is alive, as a load balancer does.

A process of its own. What it waits counts from the moment a question is due, so one late answer
hides no others.
"""

import asyncio
import os
import sys
from time import perf_counter
from typing import Final

import msgspec
import uvloop

from bench.machine import Machine, Process, python
from keyshop.entrypoints.cli.parent import exit_with_parent

_EVERY: Final = 0.05  # seconds; asked much more often it would take from what is measured
_TIMEOUT: Final = 10.0  # seconds
_QUESTION: Final = b"GET /live HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"


class Pulse(msgspec.Struct, frozen=True):
    """What it waited, and how often there was no good answer."""

    milliseconds: list[float]
    refused: int


class Prober(Process):
    """The process that asks, from its beginning until it is told to stop."""

    def __init__(self, machine: Machine, port: int) -> None:
        super().__init__(
            python("bench.accounts.prober", str(port)),
            log=machine.home / "prober.log",
            talks=True,
        )
        self.read_line()

    def stop(self) -> Pulse:
        """End the questions, and return what came of them."""
        self.input.write("stop\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=Pulse)


async def _probe(port: int) -> Pulse:
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    waits: list[float | None] = []
    due = perf_counter()
    async with asyncio.TaskGroup() as group:
        while not told.done():
            group.create_task(_ask(port, due, waits))
            due += _EVERY
            await asyncio.wait([told], timeout=max(due - perf_counter(), 0))
    answered = [wait * 1000 for wait in waits if wait is not None]
    return Pulse(answered, len(waits) - len(answered))


async def _ask(port: int, due: float, waits: list[float | None]) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_QUESTION)
            answer = await reader.read(-1)
            writer.close()
    except (OSError, TimeoutError):
        answer = b""
    waits.append(perf_counter() - due if answer[9:12] == b"200" else None)


def main() -> None:
    """Ask until told to stop."""
    exit_with_parent(os.getppid())
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    pulse = uvloop.run(_probe(int(sys.argv[1])))
    sys.stdout.write(msgspec.json.encode(pulse).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
