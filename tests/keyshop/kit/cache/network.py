"""A network between a process and a server, with faults that a test controls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Network:
    """Forwards bytes; a test may hold them back, delay them, or cut every connection."""

    def __init__(self, behind: int) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that each piece takes, in either direction."""
        self.behind = behind
        self.passed = 0
        """Bytes that went towards the server."""
        self.opens = asyncio.Event()
        self.opens.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Hold everything back until `release`."""
        self.opens.clear()

    def hold_answers(self) -> None:
        """Forward requests, and hold replies back."""
        self.answers.clear()

    def release(self) -> None:
        """Forward what was held back, and everything after it."""
        self.opens.set()
        self.answers.set()

    def cut(self) -> None:
        """Break every connection; data that were held back are lost."""
        for end in tuple(self._ends):
            end.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, behind[1]}
        for task in (
            asyncio.create_task(self._pass(reader, behind[1], answers=False)),
            asyncio.create_task(self._pass(behind[0], writer, answers=True)),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while piece := await source.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self.opens.wait()
                if answers:
                    await self.answers.wait()
                else:
                    self.passed += len(piece)
                target.write(piece)
        except OSError:
            pass
        finally:
            self._ends.discard(target)
            target.close()

    async def close(self) -> None:
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def network_to(port: int) -> AsyncIterator[Network]:
    """Run the network in front of the server on this port during the block."""
    network = Network(port)
    server = await asyncio.start_server(network.accept, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        await network.close()
