"""The proxy through which the checker injects network faults."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.consistency.network import Network
from tests.consistency.proxy import Mode

ROUTE = "a route"
A_MOMENT = 0.3  # seconds, longer than any answer takes
TIMEOUT = 10
END = b""


def answer_lines(listening: socket.socket) -> None:
    """Answer one client after the other, until the socket is closed."""
    with suppress(OSError):
        while True:
            client = listening.accept()[0]
            with client, suppress(OSError):
                while line := client.recv(100):
                    client.sendall(b"heard " + line)


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_lines, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


class ProxiedRoute:
    """A proxy with one route to an echoing server."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self._port = port

    async def set(self, mode: Mode, amount: int = 0) -> None:
        await self._network.set([ROUTE], mode, amount)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), TIMEOUT)


@pytest.fixture
def route(tmp_path: Path, server: int) -> Iterator[ProxiedRoute]:
    network = Network(tmp_path, seed=1)
    port = network.add(ROUTE, server)
    network.start()
    yield ProxiedRoute(network, port)
    network.end()


def exchange(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return client.recv(100)


class TestRoute:
    def test_forwards_data_in_both_directions(self, route):
        with route.connect() as client:
            assert exchange(client, b"hello") == b"heard hello"

    async def test_delivers_data_after_a_hole_ends(self, route):
        with route.connect() as client:
            await route.set(Mode.HOLE)
            client.settimeout(A_MOMENT)
            with pytest.raises(TimeoutError):
                exchange(client, b"hello")

            await route.set(Mode.OK)

            client.settimeout(TIMEOUT)
            assert client.recv(100) == b"heard hello"

    async def test_breaks_open_connections_when_it_is_reset(self, route):
        with route.connect() as client:
            exchange(client, b"hello")

            await route.set(Mode.RESET)

            with pytest.raises(ConnectionError):
                client.recv(100)

    async def test_accepts_no_connection_while_it_is_reset(self, route):
        await route.set(Mode.RESET)

        # Refused on connect, or on the first read.
        with pytest.raises(ConnectionError), route.connect() as client:
            client.recv(100)

    async def test_cuts_replies_in_the_middle(self, route):
        with route.connect() as client:
            await route.set(Mode.CUT, 5)

            assert exchange(client, b"hello") == b"heard"
            assert client.recv(100) == END

    async def test_delays_request_and_reply(self, route):
        with route.connect() as client:
            await route.set(Mode.DELAY, 50)
            began = time.monotonic()

            assert exchange(client, b"hello") == b"heard hello"
            assert time.monotonic() - began >= 0.1
