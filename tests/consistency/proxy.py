"""
A proxy between the shop's processes and their servers, which injects network faults.

A process of its own. Its argument is a `ProxyConfig` in JSON; each line of standard input sets the mode
of some routes, and the proxy prints a line when the change is applied.
"""

import asyncio
import os
import socket
import struct
import sys
from collections import deque
from enum import StrEnum
from functools import partial
from random import Random
from typing import Final, cast

import msgspec
import uvloop

from keyshop.entrypoints.cli.parent import exit_with_parent


class Mode(StrEnum):
    """What a route does with the data that it receives."""

    OK = "ok"
    HOLE = "hole"  # holds everything back until the mode changes
    RESET = "reset"  # resets every connection and accepts none
    DELAY = "delay"  # forwards everything later, by `amount` milliseconds
    LATE = "late"  # forwards only replies later
    CUT = "cut"  # forwards the first `amount` bytes of a reply, then closes the connection


class Route(msgspec.Struct, frozen=True):
    """An open listening socket, and the port of the server behind it."""

    name: str
    entry: int
    behind: int
    slow_share: float = 0.0
    """The share of the data that is always delayed by 2 to 40 ms, which widens every race."""


class ProxyConfig(msgspec.Struct, frozen=True):
    """All routes, and the seed of their random delays."""

    routes: list[Route]
    seed: int


class Change(msgspec.Struct, frozen=True):
    """A new mode of some routes."""

    routes: list[str]
    mode: Mode
    amount: int = 0


_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_SLOWEST: Final = (0.002, 0.040)  # seconds


class _State:
    """The current mode of a route, and its connections."""

    def __init__(self, route: Route, dice: Random) -> None:
        self.route = route
        self.mode = Mode.OK
        self.amount = 0
        self.connections: set[_Connection] = set()
        self._dice = dice

    def set(self, mode: Mode, amount: int) -> None:
        self.mode, self.amount = mode, amount
        for connection in list(self.connections):
            if mode is Mode.RESET:
                connection.abort()
            else:
                connection.forward_due()

    def draw_delay(self, *, is_reply: bool) -> float:
        """Return the seconds for which a chunk is delayed."""
        if self.mode is Mode.DELAY or (self.mode is Mode.LATE and is_reply):
            return self.amount / 1000
        if self.route.slow_share and self._dice.random() < self.route.slow_share:
            return self._dice.uniform(*_SLOWEST)
        return 0.0


class _Connection:
    """A client's connection and its connection to the server."""

    def __init__(self, state: _State) -> None:
        self.state = state
        self.to_server = _Direction(self, is_reply=False)
        self.to_client = _Direction(self, is_reply=True)
        self.is_aborted = False
        self._open: set[asyncio.Transport] = set()
        state.connections.add(self)

    def opened(self, end: asyncio.Transport) -> None:
        self._open.add(end)
        if self.is_aborted:
            _reset(end)

    def closed(self, end: asyncio.Transport | None) -> None:
        # Kept until the other end is closed too: what a client sent before it timed out arrives late,
        # as on any network.
        if end is not None:
            self._open.discard(end)
        if not self._open:
            self.state.connections.discard(self)

    def abort(self) -> None:
        self.is_aborted = True
        self.state.connections.discard(self)
        for end in list(self._open):
            _reset(end)

    def forward_due(self) -> None:
        self.to_server.forward_due()
        self.to_client.forward_due()


class _Direction:
    """The data in one direction, in order; None at its end."""

    def __init__(self, connection: _Connection, *, is_reply: bool) -> None:
        self._connection = connection
        self._is_reply = is_reply
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.target: asyncio.Transport | None = None

    def send(self, chunk: bytes | None) -> None:
        state = self._connection.state
        delay = state.draw_delay(is_reply=self._is_reply)
        if not delay and not self._waiting and self.target and state.mode is Mode.OK:
            self._forward(chunk)
            return
        self._waiting.append((asyncio.get_running_loop().time() + delay, chunk))
        self.forward_due()

    def forward_due(self) -> None:
        """Forward what is due."""
        loop = asyncio.get_running_loop()
        state = self._connection.state
        while self._waiting and self.target is not None and state.mode is not Mode.HOLE:
            due, chunk = self._waiting[0]
            if due > loop.time():
                if self._timer is None:
                    self._timer = loop.call_at(due, self._wake)
                return
            self._waiting.popleft()
            if state.mode is Mode.CUT and self._is_reply and chunk:
                self.target.write(chunk[: state.amount])
                # Closed, not reset: a reset would discard the bytes just written.
                self.target.close()
                self._connection.to_server.cut_off()
                return
            self._forward(chunk)

    def cut_off(self) -> None:
        if self.target is not None:
            _reset(self.target)

    def _wake(self) -> None:
        self._timer = None
        self.forward_due()

    def _forward(self, chunk: bytes | None) -> None:
        if self.target is None or self.target.is_closing():
            return
        if chunk is None:
            self.target.close()
        else:
            self.target.write(chunk)


class _ServerEnd(asyncio.Protocol):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._end: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end = cast("asyncio.Transport", transport)
        self._connection.to_server.target = self._end
        self._connection.opened(self._end)
        self._connection.to_server.forward_due()

    def data_received(self, data: bytes) -> None:
        self._connection.to_client.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connection.to_client.send(None)
        self._connection.closed(self._end)


class _ClientEnd(asyncio.Protocol):
    def __init__(self, state: _State) -> None:
        self._state = state
        self._end: asyncio.Transport | None = None
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end = cast("asyncio.Transport", transport)
        if self._state.mode is Mode.RESET:
            _reset(self._end)
            return
        self._connection = connection = _Connection(self._state)
        connection.opened(self._end)
        connection.to_client.target = self._end
        self._connecting = asyncio.create_task(self._connect(connection))

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.to_server.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._connection is not None:
            self._connection.to_server.send(None)
            self._connection.closed(self._end)

    async def _connect(self, connection: _Connection) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: _ServerEnd(connection), "127.0.0.1", self._state.route.behind
            )
        except OSError:
            connection.abort()


def _reset(end: asyncio.Transport) -> None:
    """Reset the connection; an orderly close would look like the peer's decision."""
    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.abort()


async def _run(config: ProxyConfig) -> None:
    loop = asyncio.get_running_loop()
    dice = Random(config.seed)
    states = {route.name: _State(route, dice) for route in config.routes}
    for state in states.values():
        entry = socket.socket(fileno=state.route.entry)
        await loop.create_server(partial(_ClientEnd, state), sock=entry)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _print_line("ready")
    while line := await lines.readline():
        change = msgspec.json.decode(line, type=Change)
        for name in change.routes:
            states[name].set(change.mode, change.amount)
        _print_line("done")


def _print_line(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main() -> None:
    """Forward data until standard input ends."""
    exit_with_parent(os.getppid())
    uvloop.run(_run(msgspec.json.decode(sys.argv[1], type=ProxyConfig)))


if __name__ == "__main__":
    main()
