"""The process between the shop's processes and their servers, and the words for it."""

import asyncio
import socket
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Final

import msgspec

from keyshop.embedded.ports import HOST
from tests.consistency import proxy
from tests.consistency.processes import python

LOADS: Final = "postgres-loads"
WRITES: Final = "postgres-writes"


class Network:
    """The process through which everybody reaches Redis, and the API and writers PostgreSQL."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._routes: list[proxy.Route] = []
        self._entries: list[socket.socket] = []
        self._process: Popen[bytes] | None = None
        self._turn = asyncio.Lock()

    def add(self, name: str, behind: int, *, slow_share: float = 0.0) -> int:
        """Plan a route and return its port, which is its own from now on."""
        entry = socket.create_server((HOST, 0))
        self._entries.append(entry)
        self._routes.append(proxy.Route(name, entry.fileno(), behind, slow_share))
        port: int = entry.getsockname()[1]
        return port

    def ways_to_redis(self, of: str = "") -> list[str]:
        """Return the names of the routes to Redis, or of those of processes called so."""
        return [route.name for route in self._routes if route.name.startswith(f"redis-{of}")]

    def start(self) -> None:
        """Open all routes."""
        order = proxy.Order(self._routes, self._seed)
        with (self._folder / "network.log").open("ab") as log:
            self._process = Popen(
                python("tests.consistency.proxy", msgspec.json.encode(order).decode()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                pass_fds=[route.entry for route in self._routes],
                start_new_session=True,
            )
        self._close_entries()
        self._wait_for_word()

    async def set(self, routes: list[str], mode: proxy.Mode, amount: int = 0) -> None:
        """Change some routes, and return when it holds."""
        async with self._turn:
            await asyncio.to_thread(self._set, proxy.Change(routes, mode, amount))

    def end(self) -> None:
        """Close all routes."""
        self._close_entries()
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _close_entries(self) -> None:
        for entry in self._entries:
            entry.close()

    def _set(self, change: proxy.Change) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(change) + b"\n")
        self._process.stdin.flush()
        self._wait_for_word()

    def _wait_for_word(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("The network between the processes has ended; see its log.")
