"""
Reference servers for the API, each of which does less than the API.

`bare` is an ASGI application that returns the same bytes as the API; `raw` is a Litestar handler that
runs the same statements on a bare driver and encodes the rows; `get` and `redis-py` are Litestar
handlers that get the same bytes from Redis, over the shop's connection or over the usual client;
`edge+get` is `get` behind the shop's edge, with its log line, request id and metrics.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import uvicorn
import uvloop
from asyncpg import Record
from litestar import Litestar, MediaType, Request, get
from litestar.types import ASGIApp, Receive, Scope, Send
from redis.asyncio import Redis

from bench.machine import Machine, Process, python
from keyshop.entrypoints.cli.parent import exit_with_parent
from keyshop.entrypoints.http.edge import Edge
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.connect import connect
from keyshop.kit.database.pool import Database
from keyshop.kit.database.transaction import Reader
from keyshop.kit.logs import configure_logging

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class RecordedAnswer(msgspec.Struct):
    """The API's statements with their arguments, and its answer, for one target."""

    statements: list[tuple[str, tuple[object, ...]]]
    body: bytes = b""


class Recorder(Database):
    """A database that records its statements."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, guard=RedisCommitGuard(None))
        self.statements: list[tuple[str, tuple[object, ...]]] = []

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """Yield a reader that records its statements."""
        async with super().read() as reader:
            yield _RecordingReader(reader, self.statements)


class _RecordingReader(Reader):
    def __init__(self, reader: Reader, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        self._reader = reader
        self._statements = statements

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        self._statements.append((sql, args))
        return await self._reader.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        self._statements.append((sql, args))
        return await self._reader.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        self._statements.append((sql, args))
        return await self._reader.fetchval(sql, *args)


@contextmanager
def reference_server(
    machine: Machine, name: str, recorded: dict[str, RecordedAnswer], url: str
) -> Iterator[tuple[Process, int]]:
    """Run a reference server on this database or Redis; yield the process and its port."""
    file = machine.home / f"{name}.pickle"
    file.write_bytes(pickle.dumps(recorded))
    command = python("bench.reference_servers", name, str(file), url)
    figures = machine.home / "reference-metrics"
    figures.mkdir(exist_ok=True)
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(figures)}
    log = machine.home / f"{name}.log"
    with Process(command, log=log, variables=variables, talks=True) as process:
        yield process, int(process.read_line())


def bare(recorded: dict[str, RecordedAnswer]) -> ASGIApp:
    """Return an application that serves recorded answers from memory."""
    bodies = {target: found.body for target, found in recorded.items()}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        body = bodies[_target(scope)]
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return app


def raw(recorded: dict[str, RecordedAnswer], pool: "asyncpg.Pool[Record]") -> ASGIApp:
    """Return an application that runs the statements and encodes the rows."""

    async def answer(target: str) -> bytes:
        found: list[Record] = []
        async with pool.acquire() as connection:
            for sql, args in recorded[target].statements:
                found = await connection.fetch(sql, *args)
        return _ENCODER.encode({"success": True, "data": [dict(record) for record in found]})

    return _litestar(answer)


def one_get(
    recorded: dict[str, RecordedAnswer], get_value: Callable[[str], Awaitable[object]]
) -> ASGIApp:
    """Return an application that gets the bytes from Redis."""
    names = {target: _name(target) for target in recorded}

    async def answer(target: str) -> bytes:
        found = await get_value(names[target])
        assert isinstance(found, bytes)
        return found

    return _litestar(answer)


def _litestar(answer: Callable[[str], Awaitable[bytes]]) -> ASGIApp:
    @get("/api/games", media_type=MediaType.JSON)
    async def page(request: Request[Any, Any, Any]) -> bytes:
        return await answer(_target(request.scope))

    @get("/api/games/{game_id:str}", media_type=MediaType.JSON)
    async def game(request: Request[Any, Any, Any], game_id: str) -> bytes:
        del game_id
        return await answer(_target(request.scope))

    return Litestar([page, game], openapi_config=None, logging_config=None)


def _name(target: str) -> str:
    return f"bench:{target}"


def _target(scope: Scope) -> str:
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    return f"{path}?{query.decode()}" if query else path


async def _serve(name: str, recorded: dict[str, RecordedAnswer], url: str) -> None:
    match name:
        case "bare":
            await listen(bare(recorded))
        case "raw":
            async with asyncpg.create_pool(
                url, min_size=1, max_size=10, statement_cache_size=1024, reset=_reset_nothing
            ) as pool:
                await listen(raw(recorded, pool))
        case "get" | "edge+get":
            connection = await connect(parse_address(url), shop="bench")
            for target, found in recorded.items():
                await connection.call("SET", _name(target), found.body)
            app = one_get(recorded, lambda key: connection.call("GET", key))
            await listen(app if name == "get" else Edge(app, ()))
        case _:
            async with Redis.from_url(url) as redis:
                await redis.mset({_name(target): found.body for target, found in recorded.items()})
                await listen(one_get(recorded, redis.get))


async def listen(app: ASGIApp) -> None:
    """Serve the application on a free port, and print the port."""
    config = uvicorn.Config(
        app,
        port=0,
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    listening = config.bind_socket()
    listening.listen()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve(sockets=[listening])


async def _reset_nothing(connection: object) -> None:
    del connection


def main() -> None:
    """Run the reference server that the first argument names."""
    exit_with_parent(os.getppid())
    configure_logging("json", "info")
    name, file, url = sys.argv[1:]
    recorded = pickle.loads(Path(file).read_bytes())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(name, recorded, url))


if __name__ == "__main__":
    main()
