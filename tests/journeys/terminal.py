"""Run `keyshop` as a process of its own, on a test's database and supplier."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from tests.factories.syncs import SANDBOX


class Ended(Struct, frozen=True):
    """The output and the exit status of a command."""

    status: int
    out: str
    err: str


class Terminal:
    def __init__(self, home: Path, *, database_url: str, supplier_url: str) -> None:
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "KEYSHOP_HOME": str(home),
            "DATABASE_URL": database_url,
            "CACHE_MODE": "off",
            "G2A_API_URL": supplier_url,
            "G2A_CLIENT_ID": SANDBOX.client_id,
            "G2A_EMAIL": SANDBOX.email,
            "G2A_CLIENT_SECRET": SANDBOX.client_secret.reveal(),
            "G2A_REQUESTS_PER_MINUTE": "100000",
            "LOG_LEVEL": "warning",
        }

    async def run(self, *words: str) -> Ended:
        """Run `keyshop` with these arguments to its end, for at most a minute."""
        async with self.start(*words) as process:
            return await end_of(process)

    @asynccontextmanager
    async def start(self, *words: str) -> AsyncIterator[Process]:
        """Start `keyshop` with these arguments, and stop it at the end of the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "keyshop", *words),
            cwd=self._home,
            env=self._environment,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def end_of(process: Process) -> Ended:
    """Wait for the end of a command, for at most a minute."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
