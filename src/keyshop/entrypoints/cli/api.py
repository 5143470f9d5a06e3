"""`keyshop api`: the JSON API, in one process or several."""

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import Annotated, Final

import typer
import uvicorn
import uvloop

from keyshop.assembly import Servers, Shop, open_servers, open_shop, supplier_url
from keyshop.entrypoints.api.app import ApiOptions, create_app
from keyshop.entrypoints.api.database_metrics import read_database_metrics
from keyshop.entrypoints.api.health import CheckResult
from keyshop.entrypoints.cli.children import Child, Children, keyshop_command
from keyshop.entrypoints.cli.parent import ExitWith, end_with, until_told
from keyshop.entrypoints.cli.session import read_settings
from keyshop.kit.cache.ping import ping_redis
from keyshop.kit.errors import Conflict
from keyshop.kit.ttl_memo import TtlMemo
from keyshop.settings import Settings
from keyshop.supplier.errors import SupplierError

app = typer.Typer()

_BACKLOG: Final = 2048
_GRACE: Final = 10  # seconds for requests under way when the process is told to stop
_SUPPLIER_EVERY: Final = 60.0  # seconds: a look at the supplier costs one call of its budget
_LOOK_EVERY: Final = 0.5  # seconds
# Whoever waits for a row keeps a connection from everybody else.
_LOCK_TIMEOUT: Final = 3.0  # seconds


@app.callback(invoke_without_command=True)
def api(
    exit_with: ExitWith = None,
    socket_fd: Annotated[int | None, typer.Option("--socket", hidden=True)] = None,
) -> None:
    """Run the API alone, in as many processes as KEYSHOP_WORKERS says."""
    end_with(exit_with)
    settings = read_settings()
    # The web server passes on the signal that stopped it, when it has stopped.
    with until_told():
        if socket_fd is not None:
            _serve(settings, socket.socket(fileno=socket_fd))
        elif settings.keyshop_workers == 1:
            _serve(settings, _listen(settings))
        else:
            _serve_together(settings, _listen(settings))


def _listen(settings: Settings) -> socket.socket:
    address = (settings.keyshop_host, settings.keyshop_port)
    try:
        family = socket.AF_INET6 if ":" in settings.keyshop_host else socket.AF_INET
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Conflict(
            f"Port {settings.keyshop_port} of {settings.keyshop_host} cannot be had"
            f" ({error.strerror}); choose another with KEYSHOP_PORT."
        ) from error


def _serve_together(settings: Settings, listening: socket.socket) -> None:
    """Share the socket among processes of one role, and keep them running."""
    command = keyshop_command("api", "--socket", str(listening.fileno()))
    with Children() as children:
        for number in range(1, settings.keyshop_workers + 1):
            children.start(Child(f"api {number}", command, pass_fds=[listening.fileno()]))
        while True:
            time.sleep(_LOOK_EVERY)
            children.revive()


def _serve(settings: Settings, listening: socket.socket) -> None:
    with ExitStack() as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer(settings, servers.enter_context(open_servers(settings)), listening))


async def _answer(settings: Settings, servers: Servers, listening: socket.socket) -> None:
    async with open_shop(settings, servers, lock_timeout=_LOCK_TIMEOUT) as shop:
        supplier = TtlMemo(lambda: _ask_supplier(shop), seconds=_SUPPLIER_EVERY)
        options = ApiOptions(
            checks={"redis": lambda: ping_redis(servers.redis_url), "g2a": supplier},
            trusted_proxies=settings.trusted_proxies,
            secure_cookies=settings.shop_url.startswith("https://"),
            allowed_origins=settings.allowed_origins,
            metrics_folder=settings.metrics_folder,
            read_metrics=lambda: read_database_metrics(shop.db),
            simulator_url=supplier_url(settings) if settings.uses_simulator else None,
            storefront_dir=settings.storefront_dir,
        )
        config = uvicorn.Config(
            create_app(shop, options),
            http="httptools",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The shop reads them itself: the server would believe whoever is on this machine.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        await uvicorn.Server(config).serve(sockets=[listening])


async def _ask_supplier(shop: Shop) -> CheckResult:
    try:
        await shop.supplier.list_products(1)
    except SupplierError:
        return "error"
    return "ok"
