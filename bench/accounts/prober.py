"""
A process that requests GET /live at a fixed rate, as a load balancer does.

Each wait is measured from the time at which the request was due, so a late answer hides no other.
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

_INTERVAL: Final = 0.05  # seconds; a shorter one would affect the measurement
_TIMEOUT: Final = 10.0  # seconds
_REQUEST: Final = b"GET /live HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"


class ProbeResult(msgspec.Struct, frozen=True):
    """The wait of each request, and the number of failed ones."""

    milliseconds: list[float]
    refused: int


class Prober(Process):
    """Controls the probing process, which starts at once and runs until `stop`."""

    def __init__(self, machine: Machine, port: int) -> None:
        super().__init__(
            python("bench.accounts.prober", str(port)),
            log=machine.home / "prober.log",
            talks=True,
        )
        self.read_line()

    def stop(self) -> ProbeResult:
        """Stop the requests and return the result."""
        self.input.write("stop\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=ProbeResult)


async def _probe(port: int) -> ProbeResult:
    stop_line = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    waits: list[float | None] = []
    due = perf_counter()
    async with asyncio.TaskGroup() as group:
        while not stop_line.done():
            group.create_task(_request_live(port, due, waits))
            due += _INTERVAL
            await asyncio.wait([stop_line], timeout=max(due - perf_counter(), 0))
    answered = [wait * 1000 for wait in waits if wait is not None]
    return ProbeResult(answered, len(waits) - len(answered))


async def _request_live(port: int, due: float, waits: list[float | None]) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_REQUEST)
            answer = await reader.read(-1)
            writer.close()
    except (OSError, TimeoutError):
        answer = b""
    waits.append(perf_counter() - due if answer[9:12] == b"200" else None)


def main() -> None:
    """Send requests until a line arrives on standard input."""
    exit_with_parent(os.getppid())
    sys.stdout.write("started\n")
    sys.stdout.flush()
    probed = uvloop.run(_probe(int(sys.argv[1])))
    sys.stdout.write(msgspec.json.encode(probed).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
