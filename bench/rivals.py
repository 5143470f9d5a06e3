"""
What the API is compared with: servers that do less.

`bare` is an ASGI application that returns the API's own bytes; `raw` is a Litestar handler that runs
the API's own statements with the bare driver and encodes the rows as they come; `get` and `redis-py`
are Litestar handlers that ask Redis for the API's own bytes, over the shop's connection or over the
usual client; `edge+get` is `get` behind the shop's own edge: with its log line, request id and figures.
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


class Told(msgspec.Struct):
    """What the API does for one target: its statements with their arguments, and its answer."""

    statements: list[tuple[str, tuple[object, ...]]]
    body: bytes = b""


class Recorder(Database):
    """A database that keeps what is asked of it."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, guard=RedisCommitGuard(None))
        self.statements: list[tuple[str, tuple[object, ...]]] = []

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reader]:
        """Lend a connection whose statements are kept."""
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
def rival(
    machine: Machine, name: str, told: dict[str, Told], url: str
) -> Iterator[tuple[Process, int]]:
    """Run one of the servers over that database or Redis, and give the process and its port."""
    file = machine.home / f"{name}.pickle"
    file.write_bytes(pickle.dumps(told))
    command = python("bench.rivals", name, str(file), url)
    figures = machine.home / "metrics-of-rivals"
    figures.mkdir(exist_ok=True)
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(figures)}
    log = machine.home / f"{name}.log"
    with Process(command, log=log, variables=variables, talks=True) as process:
        yield process, int(process.read_line())


def bare(told: dict[str, Told]) -> ASGIApp:
    """Return an application that knows every answer beforehand."""
    bodies = {target: found.body for target, found in told.items()}

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


def raw(told: dict[str, Told], pool: "asyncpg.Pool[Record]") -> ASGIApp:
    """Return an application that runs the statements and encodes the rows."""

    async def answer(target: str) -> bytes:
        found: list[Record] = []
        async with pool.acquire() as connection:
            for sql, args in told[target].statements:
                found = await connection.fetch(sql, *args)
        return _ENCODER.encode({"success": True, "data": [dict(record) for record in found]})

    return _litestar(answer)


def one_get(told: dict[str, Told], get_value: Callable[[str], Awaitable[object]]) -> ASGIApp:
    """Return an application that gets the bytes from Redis."""
    names = {target: _name(target) for target in told}

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


async def _serve(name: str, told: dict[str, Told], url: str) -> None:
    match name:
        case "bare":
            await listen(bare(told))
        case "raw":
            async with asyncpg.create_pool(
                url, min_size=1, max_size=10, statement_cache_size=1024, reset=_reset_nothing
            ) as pool:
                await listen(raw(told, pool))
        case "get" | "edge+get":
            connection = await connect(parse_address(url), shop="bench")
            for target, found in told.items():
                await connection.call("SET", _name(target), found.body)
            app = one_get(told, lambda key: connection.call("GET", key))
            await listen(app if name == "get" else Edge(app, ()))
        case _:
            async with Redis.from_url(url) as redis:
                await redis.mset({_name(target): found.body for target, found in told.items()})
                await listen(one_get(told, redis.get))


async def listen(app: ASGIApp) -> None:
    """Serve the application on a free port, which is printed first."""
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
    """Serve as the rival that the first argument names."""
    exit_with_parent(os.getppid())
    configure_logging("json", "info")
    name, file, url = sys.argv[1:]
    told = pickle.loads(Path(file).read_bytes())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(name, told, url))


if __name__ == "__main__":
    main()
