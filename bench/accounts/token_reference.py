"""
The reference server for customers' own pages: a handler that checks the token and does one GET.

It checks the token as the shop does, with the same library and claims, and returns the bytes that
Redis has for this customer. It has no edge, no metrics, and no sign-out.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
import uvloop
from litestar import Litestar, MediaType, Request, get
from litestar.types import ASGIApp

from bench.machine import Machine, Process, python
from bench.reference_servers import listen
from keyshop.entrypoints.cli.parent import exit_with_parent
from keyshop.entrypoints.http.edge import Edge
from keyshop.kit.cache.redis.address import parse_address
from keyshop.kit.cache.redis.connect import connect
from keyshop.kit.logs import configure_logging

PATHS: Final = ("/api/cart", "/api/user/profile")

_NAME: Final = "keyshop"
"""The issuer and audience of the tokens."""


class KnownAnswers(msgspec.Struct, frozen=True):
    """The secret, and the answers by path and customer."""

    secret: str
    bodies: dict[tuple[str, str], bytes]


@contextmanager
def token_reference(
    machine: Machine, name: str, known: KnownAnswers, redis_url: str
) -> Iterator[tuple[Process, int]]:
    """Run the server; yield the process and its port."""
    file = machine.home / f"{name}.pickle"
    file.write_bytes(pickle.dumps(known))
    figures = machine.home / "reference-metrics"
    figures.mkdir(exist_ok=True)
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(figures)}
    command = python("bench.accounts.token_reference", name, str(file), redis_url)
    log = machine.home / f"{name}.log"
    with Process(command, log=log, variables=variables, talks=True) as process:
        yield process, int(process.read_line())


def read_user(authorization: str, secret: str) -> str:
    """Return the user id of the token."""
    claims = jwt.decode(
        authorization[7:], secret, algorithms=["HS256"], audience=_NAME, issuer=_NAME
    )
    user: str = claims["userId"]
    return user


def _app(secret: str, get_value: Callable[[str], Awaitable[object]]) -> ASGIApp:
    @get(list(PATHS), media_type=MediaType.JSON)
    async def page(request: Request[Any, Any, Any]) -> bytes:
        user = read_user(request.headers["authorization"], secret)
        found = await get_value(f"bench:{request.scope['path']}:{user}")
        assert isinstance(found, bytes)
        return found

    return Litestar([page], openapi_config=None, logging_config=None)


async def _serve(name: str, known: KnownAnswers, redis_url: str) -> None:
    connection = await connect(parse_address(redis_url), shop="bench")
    for (path, user), body in known.bodies.items():
        await connection.call("SET", f"bench:{path}:{user}", body)
    app = _app(known.secret, lambda key: connection.call("GET", key))
    await listen(app if name == "token+get" else Edge(app, ()))


def main() -> None:
    """Run the server that the first argument names: `token+get`, or `behind-edge`."""
    exit_with_parent(os.getppid())
    configure_logging("json", "info")
    name, file, redis_url = sys.argv[1:]
    known = pickle.loads(Path(file).read_bytes())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(name, known, redis_url))


if __name__ == "__main__":
    main()
