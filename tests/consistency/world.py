"""Starts a whole shop in its own folder: servers, processes, and a proxy between them."""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from time import monotonic
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from keyshop.embedded.ports import pick_free
from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.sealing import KEY_LENGTH
from keyshop.schema.migrate import upgrade
from tests.consistency.keys import FIRST_VERSION, Kind, of_kind
from tests.consistency.metrics import fetch
from tests.consistency.network import LOADS, WRITES, Network
from tests.consistency.options import Options
from tests.consistency.parts import PER_SECOND, Parts
from tests.consistency.processes import Child, python
from tests.consistency.redis_server import RedisServer
from tests.consistency.writers.sync import list_products, set_price
from tests.factories.hostile import make_hostile_role, with_role
from tests.keyshop.entrypoints.cli.shop_process import shop_environment
from tests.servers import FAST, connected, open_home

_PRODUCTS: Final = 60  # at the simulator
_UNCACHED: Final = (Kind.SLOT, Kind.GUEST)
"""Writers that run without a cache when some API processes do."""

_HOSTILE_ROLE: Final = "hostile_checker"
_HARMLESS: Final = ("transaction_timeout",)
"""A setting whose effect on the foreign writers could not be lifted on every version."""

_SECRET_BYTES: Final = 32
_MAX_START: Final = 60.0  # seconds


@contextmanager
def own_world(options: Options) -> Iterator[Parts]:
    """Build a shop for this run; its servers and supplier run, its processes are planned."""
    with open_home() as home, ExitStack() as stack:
        logs, notes = home / "logs", home / "notes"
        logs.mkdir()
        notes.mkdir()
        postgres = stack.enter_context(PostgresServer(home, settings=FAST))
        upgrade(postgres.url)
        database_url = asyncio.run(_hostile_url(postgres)) if options.hostile_role else postgres.url
        parts = Parts(notes, options, database_url=database_url)
        parts.postgres = postgres
        parts.secret = token_urlsafe(_SECRET_BYTES)
        parts.redis = _start_redis(home, options, stack)
        parts.network = Network(logs, seed=options.seed)
        _start_simulator(parts, home, logs, stack)
        _plan_processes(parts, options, home=home, logs=logs)
        parts.network.start()
        stack.callback(parts.network.end)
        for child in parts.children:
            stack.callback(child.end)
        yield parts


async def _hostile_url(postgres: PostgresServer) -> str:
    """Make a hostile role, and return the address of the shop's database with it."""
    async with connected(postgres.url) as admin:
        await make_hostile_role(admin, _HOSTILE_ROLE, without=_HARMLESS)
    return with_role(postgres.url, _HOSTILE_ROLE)


def _start_redis(home: Path, options: Options, stack: ExitStack) -> RedisServer:
    folder = home / "redis"
    folder.mkdir()
    server = RedisServer(
        folder, port=pick_free(), server=options.server, env=shop_environment(home)
    )
    server.start()
    stack.callback(server.child.kill)
    return server


def _start_simulator(parts: Parts, home: Path, logs: Path, stack: ExitStack) -> None:
    port = pick_free()
    parts.simulator_url = f"http://127.0.0.1:{port}"
    command = python(
        "g2a_simulator", "--port", str(port), "--products", str(_PRODUCTS),
        "--requests-per-minute", "0",
    )  # fmt: skip
    simulator = Child(
        "simulator", lambda: command, env=shop_environment(home), log=logs / "simulator.log"
    )
    simulator.start()
    stack.callback(simulator.end)
    wait_for(f"{parts.simulator_url}/_simulator/")
    keys = of_kind(Kind.SYNC)
    parts.products = dict(
        zip(
            [key.id for key in keys],
            list_products(parts.simulator_url, limit=len(keys)),
            strict=True,
        )
    )
    for product in parts.products.values():
        set_price(parts.simulator_url, product, FIRST_VERSION)


def _plan_processes(parts: Parts, options: Options, *, home: Path, logs: Path) -> None:
    assert parts.network is not None
    assert parts.redis is not None
    loads, writes = (
        at_port(parts.database_url, parts.network.add(name, _port_of(parts), slow_share=share))
        for name, share in (
            (LOADS, options.slow_loads),
            (WRITES, options.slow_writes),
        )
    )

    encryption_key = token_bytes(KEY_LENGTH)

    def environment(name: str, *, database_url: str, **more: object) -> dict[str, str]:
        assert parts.network is not None
        assert parts.redis is not None
        redis_port = parts.network.add(f"redis-{name}", parts.redis.port)
        return shop_environment(
            home / name,
            KEYSHOP_ENV="test",
            DATABASE_URL=database_url,
            REDIS_URL=f"redis://127.0.0.1:{redis_port}/0",
            SIMULATOR_PORT=urlsplit(parts.simulator_url or "").port,
            G2A_REQUESTS_PER_MINUTE=1_000_000,
            LOG_LEVEL="warning",
            LOG_FORMAT="json",
            JWT_SECRET=parts.secret,
            JWT_REFRESH_SECRET=token_urlsafe(_SECRET_BYTES),
            KEY_ENCRYPTION_KEYS=f"1:{b64encode(encryption_key).decode()}",
            **more,
        )

    for place in range(options.api_processes):
        name, port = f"api{place}", pick_free()
        mode = "off" if place >= options.api_processes - options.uncached else "on"
        env = environment(name, database_url=loads, KEYSHOP_PORT=port, CACHE_MODE=mode)
        parts.base_urls.append(f"http://127.0.0.1:{port}")
        parts.apis.append(_keyshop(parts, name, "api", env=env, logs=logs))
    for place in range(options.workers):
        name = f"worker{place}"
        env = environment(name, database_url=parts.database_url)
        parts.workers.append(_keyshop(parts, name, "worker", env=env, logs=logs))
    for place in range(options.persons):
        env = environment(f"persons{place}", database_url=loads)
        parts.add_reader(place, env=env, logs=logs)
    for kind in PER_SECOND:
        name = f"writer-{kind.name.lower()}"
        is_uncached = options.uncached_writers or (options.uncached and kind in _UNCACHED)
        mode = "off" if is_uncached else "on"
        env = environment(name, database_url=writes, CACHE_MODE=mode)
        parts.add_writer(kind, env=env, logs=logs)


def _keyshop(parts: Parts, name: str, command: str, *, env: dict[str, str], logs: Path) -> Child:
    def line() -> list[str]:
        return parts.run("keyshop", command, "--exit-with", str(os.getpid()))

    return Child(name, line, env=env, log=logs / f"{name}.log")


def _port_of(parts: Parts) -> int:
    return urlsplit(parts.database_url).port or 5432


def at_port(url: str, port: int) -> str:
    """Return the address at another port of this machine."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))


def wait_for(url: str, *, seconds: float = _MAX_START) -> None:
    """Wait until the address answers with 200."""
    until = monotonic() + seconds
    while fetch(url) is None:
        if monotonic() > until:
            raise RuntimeError(f"{url} does not answer within {seconds:.0f} s.")
        time.sleep(0.05)
