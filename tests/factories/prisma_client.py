"""Prisma's own client and command line from npm, in a process of Node (see tests/prisma)."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keyshop.embedded.locks import exclusive_lock

FOLDER = Path(__file__).parent.parent / "prisma"
_PACKAGES = FOLDER / "node_modules"
_CLIENT = _PACKAGES / ".prisma-client" / "index.js"
_SCHEMA = FOLDER / "schema.prisma"


class PrismaError(Exception):
    """Prisma refused a call; `code` is its own (P2002: a unique value exists already)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PrismaClient:
    """A Node application that reads and writes with Prisma's client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(self, name: str, **given: Any) -> Any:
        """Return the answer of one call, such as `user.create`."""
        return (await self._send([(name, given)], together=False))[0]

    async def together(self, *calls: tuple[str, Any]) -> list[Any]:
        """Return the answers of calls in one transaction; the call `fail` rolls it back."""
        return await self._send(list(calls), together=True)

    async def _send(self, calls: list[tuple[str, Any]], *, together: bool) -> list[Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"calls": calls, "together": together}).encode())
        self._process.stdin.write(b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line, "Prisma's client has ended."
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PrismaError(answer["error"], answer["message"])
        done: list[Any] = answer["done"]
        return done


@asynccontextmanager
async def open_prisma(database_url: str) -> AsyncIterator[PrismaClient]:
    """Run Prisma's client for the length of a block; skip the test where it is not installed."""
    await _generate()
    process = await asyncio.create_subprocess_exec(
        "node", "client.js", cwd=FOLDER, env=_environment(database_url),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    try:
        yield PrismaClient(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


async def run_prisma(database_url: str, *words: str) -> str:
    """Return what Prisma's command line prints; skip the test where it is not installed."""
    _skip_unless_installed()
    process = await asyncio.create_subprocess_exec(
        "node", _PACKAGES / "prisma/build/index.js", *words, cwd=FOLDER,
        env=_environment(database_url), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    return printed.decode()


async def _generate() -> None:
    """Generate the client from schema.prisma unless that has been done."""
    _skip_unless_installed()
    with exclusive_lock(_PACKAGES / "generate.lock"):
        if not _CLIENT.exists() or _CLIENT.stat().st_mtime < _SCHEMA.stat().st_mtime:
            await run_prisma("postgresql://unused", "generate", "--no-hints")


def _skip_unless_installed() -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed.")
    if not (_PACKAGES / "@prisma/client").exists():
        pytest.skip("Prisma's client is not installed: npm ci --prefix tests/prisma")


def _environment(database_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(_PACKAGES),
        "DATABASE_URL": database_url,
        "CHECKPOINT_DISABLE": "1",
        # Files that exist, so that the command line downloads neither of these programs. It uses
        # WebAssembly instead.
        "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true",
        "PRISMA_QUERY_ENGINE_LIBRARY": "/bin/true",
    }
