"""A process that measures how many passwords the pool's threads can check when idle."""

import asyncio
import os
import sys
from time import perf_counter, process_time
from typing import Final

import msgspec
import uvloop

from bench.machine import Machine, Process, python
from keyshop.accounts.passwords import PasswordPool
from keyshop.entrypoints.cli.parent import exit_with_parent

_PASSWORD: Final = "Correct horse battery 1"


class Checks(msgspec.Struct, frozen=True):
    """Checks a second, and the processor time of one."""

    per_second: float
    cpu_milliseconds: float


class Checker(Process):
    """Controls the process that checks passwords."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            python("bench.accounts.count_checks"), log=machine.home / "checks.log", talks=True
        )

    def count(self, number: int) -> Checks:
        """Check `number` passwords and return the figures."""
        self.input.write(f"{number}\n")
        self.input.flush()
        return msgspec.json.decode(self.read_line(), type=Checks)


async def _check(number: int) -> Checks:
    pool = PasswordPool(queue=4 * number)  # one client may use a quarter of it
    hashed = await pool.hash(_PASSWORD)
    begun, spent = perf_counter(), process_time()
    right = await asyncio.gather(*(pool.verify(_PASSWORD, hashed) for _ in range(number)))
    seconds, cpu = perf_counter() - begun, process_time() - spent
    pool.close()
    assert all(right)
    return Checks(number / seconds, cpu / number * 1000)


def main() -> None:
    """Read a number from each line of standard input, and check that many passwords."""
    exit_with_parent(os.getppid())
    for line in sys.stdin:
        checks = uvloop.run(_check(int(line)))
        sys.stdout.write(msgspec.json.encode(checks).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
