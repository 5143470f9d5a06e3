"""The network in which the checker makes things go wrong."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.consistency.network import Network
from tests.consistency.proxy import Mode

WAY = "a way"
A_MOMENT = 0.3  # seconds in which an answer would long have come
TIMEOUT = 10
END = b""


def answer_lines(listening: socket.socket) -> None:
    """Answer one client after the other, until nobody listens any more."""
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


class Way:
    """A network with one way, at whose end somebody answers."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self._port = port

    async def set(self, mode: Mode, amount: int = 0) -> None:
        await self._network.set([WAY], mode, amount)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), TIMEOUT)


@pytest.fixture
def way(tmp_path: Path, server: int) -> Iterator[Way]:
    network = Network(tmp_path, seed=1)
    port = network.add(WAY, server)
    network.start()
    yield Way(network, port)
    network.end()


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return client.recv(100)


class TestWay:
    def test_passes_on_what_it_is_given(self, way):
        with way.connect() as client:
            assert ask(client, b"hello") == b"heard hello"

    async def test_delivers_late_what_a_hole_swallowed(self, way):
        with way.connect() as client:
            await way.set(Mode.HOLE)
            client.settimeout(A_MOMENT)
            with pytest.raises(TimeoutError):
                ask(client, b"hello")

            await way.set(Mode.OK)

            client.settimeout(TIMEOUT)
            assert client.recv(100) == b"heard hello"

    async def test_breaks_connections_when_it_is_reset(self, way):
        with way.connect() as client:
            ask(client, b"hello")

            await way.set(Mode.RESET)

            with pytest.raises(ConnectionError):
                client.recv(100)

    async def test_lets_nobody_through_while_it_is_reset(self, way):
        await way.set(Mode.RESET)

        # Refused at once, or as soon as it is through.
        with pytest.raises(ConnectionError), way.connect() as client:
            client.recv(100)

    async def test_cuts_replies_in_the_middle(self, way):
        with way.connect() as client:
            await way.set(Mode.CUT, 5)

            assert ask(client, b"hello") == b"heard"
            assert client.recv(100) == END

    async def test_delays_what_passes_and_the_answer(self, way):
        with way.connect() as client:
            await way.set(Mode.DELAY, 50)
            began = time.monotonic()

            assert ask(client, b"hello") == b"heard hello"
            assert time.monotonic() - began >= 0.1
