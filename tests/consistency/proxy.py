"""
The network between the shop's processes and their servers, and what can go wrong on it.

A process of its own. Its argument names the routes in JSON; each line of standard input sets the mode
of some of them, and is answered by a line when it holds.
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
    """What a route does with what it is given."""

    OK = "ok"
    HOLE = "hole"  # takes everything, and keeps it until the mode changes
    RESET = "reset"  # breaks every connection, and lets none through
    DELAY = "delay"  # passes everything on later, by `amount` milliseconds
    LATE = "late"  # passes replies alone on later
    CUT = "cut"  # passes the first `amount` bytes of a reply on, then breaks the connection


class Route(msgspec.Struct, frozen=True):
    """A port of this machine, as an open socket that listens on it, and the one behind it."""

    name: str
    entry: int
    behind: int
    slow_share: float = 0.0
    """Of what passes, so much waits for 2 to 40 ms, at all times: it widens every race."""


class Order(msgspec.Struct, frozen=True):
    """All routes, and the seed of their moods."""

    routes: list[Route]
    seed: int


class Change(msgspec.Struct, frozen=True):
    """A new mode of some routes."""

    routes: list[str]
    mode: Mode
    amount: int = 0


_NO_FAREWELL: Final = struct.pack("ii", 1, 0)
_SLOWEST: Final = (0.002, 0.040)  # seconds


class _State:
    """A route as it is now, with its connections."""

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
                connection.go_on()

    def draw_delay(self, *, is_reply: bool) -> float:
        """Return the seconds that a piece has to wait."""
        if self.mode is Mode.DELAY or (self.mode is Mode.LATE and is_reply):
            return self.amount / 1000
        if self.route.slow_share and self._dice.random() < self.route.slow_share:
            return self._dice.uniform(*_SLOWEST)
        return 0.0


class _Connection:
    """A client's connection and the one that was made for it."""

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
        # Kept until the other end is closed too: what a client sent before it lost its patience
        # arrives late, as on any network.
        if end is not None:
            self._open.discard(end)
        if not self._open:
            self.state.connections.discard(self)

    def abort(self) -> None:
        self.is_aborted = True
        self.state.connections.discard(self)
        for end in list(self._open):
            _reset(end)

    def go_on(self) -> None:
        self.to_server.go_on()
        self.to_client.go_on()


class _Direction:
    """What flows one way, in its order; None at its end."""

    def __init__(self, connection: _Connection, *, is_reply: bool) -> None:
        self._connection = connection
        self._is_reply = is_reply
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.target: asyncio.Transport | None = None

    def send(self, piece: bytes | None) -> None:
        state = self._connection.state
        delay = state.draw_delay(is_reply=self._is_reply)
        if not delay and not self._waiting and self.target and state.mode is Mode.OK:
            self._pass_on(piece)
            return
        self._waiting.append((asyncio.get_running_loop().time() + delay, piece))
        self.go_on()

    def go_on(self) -> None:
        """Pass on what is due."""
        loop = asyncio.get_running_loop()
        state = self._connection.state
        while self._waiting and self.target is not None and state.mode is not Mode.HOLE:
            due, piece = self._waiting[0]
            if due > loop.time():
                if self._timer is None:
                    self._timer = loop.call_at(due, self._wake)
                return
            self._waiting.popleft()
            if state.mode is Mode.CUT and self._is_reply and piece:
                self.target.write(piece[: state.amount])
                # Closed in good order, or what was written would be lost as well.
                self.target.close()
                self._connection.to_server.cut_off()
                return
            self._pass_on(piece)

    def cut_off(self) -> None:
        if self.target is not None:
            _reset(self.target)

    def _wake(self) -> None:
        self._timer = None
        self.go_on()

    def _pass_on(self, piece: bytes | None) -> None:
        if self.target is None or self.target.is_closing():
            return
        if piece is None:
            self.target.close()
        else:
            self.target.write(piece)


class _ServerEnd(asyncio.Protocol):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._end: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end = cast("asyncio.Transport", transport)
        self._connection.to_server.target = self._end
        self._connection.opened(self._end)
        self._connection.to_server.go_on()

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
    """Break the connection without a farewell; a plain end would look like the peer's wish."""
    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
    end.abort()


async def _run(order: Order) -> None:
    loop = asyncio.get_running_loop()
    dice = Random(order.seed)
    states = {route.name: _State(route, dice) for route in order.routes}
    for state in states.values():
        entry = socket.socket(fileno=state.route.entry)
        await loop.create_server(partial(_ClientEnd, state), sock=entry)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say("ready")
    while line := await lines.readline():
        change = msgspec.json.decode(line, type=Change)
        for name in change.routes:
            states[name].set(change.mode, change.amount)
        _say("done")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def main() -> None:
    """Carry what passes until standard input ends."""
    exit_with_parent(os.getppid())
    uvloop.run(_run(msgspec.json.decode(sys.argv[1], type=Order)))


if __name__ == "__main__":
    main()
