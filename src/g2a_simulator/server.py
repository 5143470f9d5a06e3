"""Serves a market on a loopback port."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from g2a_simulator.buyer_api import BuyerApi
from g2a_simulator.connection import Connection
from g2a_simulator.control_api import ControlApi
from g2a_simulator.errors import Unusable
from g2a_simulator.market import Market
from g2a_simulator.messages import Later, Reply, Request

_HOST = "127.0.0.1"


@asynccontextmanager
async def serve(market: Market, port: int = 0) -> AsyncIterator[str]:
    """
    Serve a market on the running event loop, and give its address; port 0 takes a free one.

    At the end every connection is cut at once, and the market is saved but stays usable.

    Raises:
        Unusable: the port is taken.
    """
    connections: set[Connection] = set()
    buyers, operators = BuyerApi(market), ControlApi(market)

    def answer(request: Request) -> Reply | Later:
        if operators.is_meant(request):
            return operators.answer(request)
        return buyers.answer(request)

    server = await _listen(lambda: Connection(answer, connections), port)
    try:
        yield f"http://{_HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await _cut(connections)
        market.save()


async def _listen(make: Callable[[], Connection], port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(make, _HOST, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unusable(f"Port {port} is taken; give another one with --port.") from error
        raise Unusable(f"Port {port} cannot be used: {error.strerror}.") from error


async def _cut(connections: set[Connection]) -> None:
    gone = [connection.gone.wait() for connection in connections]
    for connection in list(connections):
        connection.abort()
    # Transports close in a later turn of the loop; it must not end before.
    await asyncio.gather(*gone)
