"""Starts and controls the proxy process between the shop's processes and their servers."""

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
    """The proxy process on the routes to Redis, and on those of the API and writers to PostgreSQL."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._routes: list[proxy.Route] = []
        self._entries: list[socket.socket] = []
        self._process: Popen[bytes] | None = None
        self._turn = asyncio.Lock()

    def add(self, name: str, behind: int, *, slow_share: float = 0.0) -> int:
        """Add a route, reserve its port and return it."""
        entry = socket.create_server((HOST, 0))
        self._entries.append(entry)
        self._routes.append(proxy.Route(name, entry.fileno(), behind, slow_share))
        port: int = entry.getsockname()[1]
        return port

    def routes_to_redis(self, of: str = "") -> list[str]:
        """Return the names of the routes to Redis, of all processes or of those with this prefix."""
        return [route.name for route in self._routes if route.name.startswith(f"redis-{of}")]

    def start(self) -> None:
        """Open all routes."""
        config = proxy.ProxyConfig(self._routes, self._seed)
        with (self._folder / "network.log").open("ab") as log:
            self._process = Popen(
                python("tests.consistency.proxy", msgspec.json.encode(config).decode()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                pass_fds=[route.entry for route in self._routes],
                start_new_session=True,
            )
        self._close_entries()
        self._wait_for_reply()

    async def set(self, routes: list[str], mode: proxy.Mode, amount: int = 0) -> None:
        """Change the mode of some routes, and return when the proxy applied it."""
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
        self._wait_for_reply()

    def _wait_for_reply(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("The proxy has ended; see network.log.")
