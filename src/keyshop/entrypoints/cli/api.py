"""`keyshop api`: the JSON API, in one process or several."""

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import Annotated, Final

import typer
import uvicorn
import uvloop
from msgspec import structs
from pydantic import SecretStr

from keyshop.assembly import Shop, open_shop, supplier_url
from keyshop.entrypoints.api.app import ApiOptions, create_app
from keyshop.entrypoints.api.database_metrics import read_database_metrics
from keyshop.entrypoints.api.probes import Check, Finding
from keyshop.entrypoints.cli.children import Child, Children, keyshop_command
from keyshop.entrypoints.cli.descriptors import raise_descriptor_limit
from keyshop.entrypoints.cli.parent import ExitWith, exit_with_parent, until_stopped
from keyshop.entrypoints.cli.session import read_settings
from keyshop.entrypoints.http.connection_limits import ConnectionLimits, Connections
from keyshop.entrypoints.http.server_protocol import limited_protocol
from keyshop.kit.errors import Conflict
from keyshop.kit.secrets import Secret
from keyshop.servers import Servers, open_servers
from keyshop.settings import Settings
from keyshop.supplier.errors import SupplierError

app = typer.Typer()

_BACKLOG: Final = 2048
_GRACE: Final = 10  # seconds for running requests when the process is stopped
_SUPPLIER_CHECK_INTERVAL: Final = 60.0  # seconds: each check costs one call of the budget
_POLL_INTERVAL: Final = 0.5  # seconds
# A request that waits for a locked row keeps its connection from all others.
_LOCK_TIMEOUT: Final = 3.0  # seconds
# Descriptors for files, servers and supplier, besides those of clients.
_OWN_DESCRIPTORS: Final = 256


@app.callback(invoke_without_command=True)
def api(
    exit_with: ExitWith = None,
    socket_fd: Annotated[int | None, typer.Option("--socket", hidden=True)] = None,
) -> None:
    """Run only the API, in KEYSHOP_WORKERS processes."""
    exit_with_parent(exit_with)
    settings = read_settings()
    # Once it has stopped, the web server raises the signal that stopped it again.
    with until_stopped():
        if socket_fd is not None:
            _serve(settings, socket.socket(fileno=socket_fd))
        elif settings.keyshop_workers == 1:
            _serve(settings, _listen(settings))
        else:
            _serve_in_processes(settings, _listen(settings))


def _listen(settings: Settings) -> socket.socket:
    address = (settings.keyshop_host, settings.keyshop_port)
    try:
        family = socket.AF_INET6 if ":" in settings.keyshop_host else socket.AF_INET
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Conflict(
            f"Cannot listen on port {settings.keyshop_port} of {settings.keyshop_host}"
            f" ({error.strerror}); choose another port with KEYSHOP_PORT."
        ) from error


def _serve_in_processes(settings: Settings, listening: socket.socket) -> None:
    """Share the socket among API processes, and restart those that die."""
    command = keyshop_command("api", "--socket", str(listening.fileno()))
    with Children() as children:
        for number in range(1, settings.keyshop_workers + 1):
            children.start(Child(f"api {number}", command, pass_fds=[listening.fileno()]))
        while True:
            time.sleep(_POLL_INTERVAL)
            children.restart_dead()


def _serve(settings: Settings, listening: socket.socket) -> None:
    with ExitStack() as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_shop(settings, servers.enter_context(open_servers(settings)), listening))


async def _serve_shop(settings: Settings, servers: Servers, listening: socket.socket) -> None:
    async with open_shop(settings, servers, lock_timeout=_LOCK_TIMEOUT) as shop:
        options = ApiOptions(
            checks={
                "redis": Check(lambda: _check_redis(shop)),
                "g2a": Check(lambda: _check_supplier(shop), _SUPPLIER_CHECK_INTERVAL),
            },
            trusted_proxies=settings.trusted_proxies,
            forwarded_header=settings.forwarded_header,
            secure_cookies=settings.shop_url.startswith("https://"),
            allowed_origins=settings.allowed_origins,
            public_origin=settings.public_url,
            metrics_folder=settings.metrics_folder,
            read_metrics=lambda: read_database_metrics(shop.db),
            metrics_token=_secret(settings.metrics_token),
            public_docs=settings.shows_docs,
            simulator_url=supplier_url(settings) if settings.uses_simulator else None,
            storefront_dir=settings.storefront_dir,
        )
        config = uvicorn.Config(
            create_app(shop, options),
            http=limited_protocol(Connections(_limits(), settings.trusted_proxies)),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The shop reads these headers itself: the server would trust every local client.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        await uvicorn.Server(config).serve(sockets=[listening])


def _limits() -> ConnectionLimits:
    """Return the limits of this process: no more connections than it may have descriptors."""
    wanted = ConnectionLimits()
    descriptors = raise_descriptor_limit(wanted.connections + _OWN_DESCRIPTORS)
    most = max(1, min(wanted.connections, descriptors - _OWN_DESCRIPTORS))
    return structs.replace(wanted, connections=most)


def _secret(value: SecretStr | None) -> Secret | None:
    return None if value is None else Secret(value.get_secret_value())


async def _check_redis(shop: Shop) -> Finding:
    if shop.find_cache_fault is None:
        return Finding("disconnected")
    fault = await shop.find_cache_fault()
    return Finding("ok") if fault is None else Finding("error", fault)


async def _check_supplier(shop: Shop) -> Finding:
    try:
        await shop.supplier.list_products(1)
    except SupplierError:
        return Finding("error", "The supplier does not answer, or refuses; see keyshop g2a ping.")
    return Finding("ok")
