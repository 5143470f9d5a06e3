"""Serve a market on a loopback port."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from g2a_simulator.buyer_api import BuyerApi
from g2a_simulator.connection import Connection
from g2a_simulator.control_api import ControlApi
from g2a_simulator.errors import InvalidCommand
from g2a_simulator.market import Market
from g2a_simulator.messages import DelayedReply, Reply, Request

_HOST = "127.0.0.1"


@asynccontextmanager
async def serve(market: Market, port: int = 0) -> AsyncIterator[str]:
    """
    Serve a market on the running event loop, and yield its address; port 0 takes a free port.

    At the end, every connection is closed at once, and the market is saved but stays usable.

    Raises:
        InvalidCommand: the port cannot be used.
    """
    connections: set[Connection] = set()
    buyer_api, control_api = BuyerApi(market), ControlApi(market)

    def answer(request: Request) -> Reply | DelayedReply:
        if control_api.handles(request):
            return control_api.answer(request)
        return buyer_api.answer(request)

    server = await _listen(lambda: Connection(answer, connections), port)
    try:
        yield f"http://{_HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _close_all(connections)
        market.save()


async def _listen(make: Callable[[], Connection], port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(make, _HOST, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InvalidCommand(
                f"Port {port} is in use; choose another one with --port."
            ) from error
        raise InvalidCommand(f"Port {port} cannot be used: {error.strerror}.") from error


async def _close_all(connections: set[Connection]) -> None:
    closed = [connection.closed.wait() for connection in connections]
    for connection in list(connections):
        connection.abort()
    # Transports close in a later iteration of the event loop, which must not stop before.
    await asyncio.gather(*closed)
