"""`keyshop up`: the whole shop in one terminal."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import structlog
import typer

from keyshop.assembly import Shop, open_shop, supplier_url
from keyshop.catalog.demo_home_lists import fill_home_lists
from keyshop.embedded.errors import EmbeddedServerError
from keyshop.embedded.locks import open_lock, try_acquire_exclusive
from keyshop.embedded.ports import is_free
from keyshop.embedded.run_as import python_environment
from keyshop.embedded.shared_server import SharedServer
from keyshop.entrypoints.cli.attached import NO_SUPPLIER, is_attached, may_synchronise
from keyshop.entrypoints.cli.children import Child, Children, keyshop_command
from keyshop.entrypoints.cli.demo import (
    DEMO_PASSWORD,
    DemoAccount,
    list_demo_accounts,
    make_demo_accounts,
    warn_of_network,
)
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.parent import until_stopped
from keyshop.entrypoints.cli.progress import sync_progress
from keyshop.entrypoints.cli.session import read_settings
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import Conflict, Unavailable
from keyshop.kit.metrics import delete_ended_metrics
from keyshop.schema import migrate
from keyshop.servers import Servers, embedded_servers, open_servers
from keyshop.settings import Environment, Settings
from keyshop.sync import queries
from keyshop.sync.mark_interrupted_runs import mark_interrupted_runs
from keyshop.sync.rules import RunKind

app = typer.Typer()
_log = structlog.get_logger(__name__)

_POLL_INTERVAL: Final = 0.5  # seconds between checks of the child processes
_SERVER_POLL_INTERVAL: Final = 2.0  # seconds between checks of the servers: each check is a login
_START_TIMEOUT: Final = 60.0  # seconds
# A server that listens on all addresses is reached at this machine's own.
_REACHED_AT: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@app.callback(invoke_without_command=True)
def up(
    no_seed: Annotated[bool, typer.Option("--no-seed", help="Do not add demo data.")] = False,
) -> None:
    """Run the whole shop in this terminal; Ctrl-C stops it, and the next start keeps the data."""
    settings = read_settings(shows_progress=True)
    with until_stopped(), ExitStack() as stack:
        _run(settings, stack, seed=not no_seed)
    typer.echo("Stopped.", err=True)


def _run(settings: Settings, stack: ExitStack, *, seed: bool) -> None:
    stack.enter_context(_only_one(settings.keyshop_home))
    _refuse_taken_ports(settings)
    delete_ended_metrics(settings.metrics_folder)
    embedded = [stack.enter_context(_started(server)) for server in embedded_servers(settings)]
    servers = stack.enter_context(open_servers(settings))
    for name in migrate.upgrade(servers.database_url):
        typer.echo(f"Migrated: {name}")

    children = stack.enter_context(Children())
    if settings.uses_simulator:
        _start_simulator(settings, children)
    accounts = run_fast(_prepare_shop(settings, servers, seed=seed))
    children.start(Child("api", keyshop_command("api")))
    children.start(Child("worker", keyshop_command("worker")))
    _wait_for(f"{local_url(settings)}/live", what="The API", children=children)
    _print_addresses(settings, accounts)
    _keep_running(embedded, children)


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Refuse a second `keyshop up` on one home."""
    lock = open_lock(home / "up.lock")
    if not try_acquire_exclusive(lock):
        raise Conflict(
            f"keyshop is up already with its data in {home};"
            " to run a second shop, set KEYSHOP_HOME, KEYSHOP_PORT and SIMULATOR_PORT."
        )
    yield


def _refuse_taken_ports(settings: Settings) -> None:
    ports = {"KEYSHOP_PORT": settings.keyshop_port}
    if settings.uses_simulator:
        ports["SIMULATOR_PORT"] = settings.simulator_port
    for variable, port in ports.items():
        if not is_free(port):
            raise Conflict(
                f"Port {port} is taken by another program; choose another port with {variable}."
            )


@contextmanager
def _started(server: SharedServer) -> Iterator[SharedServer]:
    started = time.monotonic()
    with server:
        typer.echo(f"{server.title} is ready ({time.monotonic() - started:.1f} s).")
        yield server


def _start_simulator(settings: Settings, children: Children) -> None:
    state = settings.keyshop_home / "simulator"
    state.mkdir(mode=0o700, exist_ok=True)
    command = simulator_command(settings, state=state)
    # It needs no secret of the shop.
    children.start(Child("simulator", command, environment=python_environment()))
    _wait_for(supplier_url(settings), what="The simulator", children=children)


def simulator_command(settings: Settings, *, state: Path) -> list[str]:
    """Return the command line of the simulator; its orders and keys are kept in `state`."""
    return [
        sys.executable, "-m", "g2a_simulator",
        "--port", str(settings.simulator_port),
        "--products", str(settings.simulator_products),
        "--seed", str(settings.simulator_seed),
        "--state", str(state / f"{settings.simulator_products}-{settings.simulator_seed}.sqlite"),
        "--exit-with", str(os.getpid()),
    ]  # fmt: skip


async def _prepare_shop(settings: Settings, servers: Servers, *, seed: bool) -> list[DemoAccount]:
    """Run the first sync and add demo data, where allowed; return the accounts to try."""
    async with open_shop(settings, servers) as shop:
        for run in await mark_interrupted_runs(shop.db, now=utc_now()):
            typer.echo(
                f"A {run.kind.label} was interrupted after {run.products} products; its changes are kept."
            )
        if not await may_synchronise(shop):
            typer.echo(NO_SUPPLIER, err=True)
        elif not await _was_synchronised(shop.db):
            await _synchronise(shop)
        may_seed = settings.keyshop_env is not Environment.PRODUCTION
        seeds = seed and may_seed and not await is_attached(shop)
        if seeds:
            async with shop.db.transaction() as tx:
                await fill_home_lists(tx, now=utc_now())
            await make_demo_accounts(shop, now=utc_now())
        accounts = await list_demo_accounts(shop)
        if (seeds or accounts) and (warning := warn_of_network(settings, accounts)):
            typer.echo(warning, err=True)
        return accounts


async def _synchronise(shop: Shop) -> None:
    with sync_progress(RunKind.FULL) as report:
        run = await shop.run_full_sync(report)
    if run.reason:
        typer.echo(f"The first sync is incomplete: {run.reason}", err=True)


async def _was_synchronised(db: Database) -> bool:
    """Test whether a full sync ever reached its end; the schedule repairs what it missed."""
    async with db.read() as reader:
        return await queries.has_finished_run(reader, RunKind.FULL)


def _wait_for(url: str, *, what: str, children: Children) -> None:
    # The user's proxy cannot reach loopback addresses of this machine.
    browser = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with browser.open(url, timeout=2):
                return
        except (URLError, OSError):
            children.restart_dead()
            time.sleep(0.05)
    raise Unavailable(f"{what} did not start within {_START_TIMEOUT:.0f} s; see the lines above.")


def _print_addresses(settings: Settings, accounts: list[DemoAccount]) -> None:
    url = local_url(settings)
    typer.echo(f"\nThe shop is up:  {url}")
    typer.echo(f"  API            {url}/api/games")
    if settings.shows_docs:
        typer.echo(f"  Documentation  {url}/docs")
    typer.echo(f"  Health         {url}/health")
    if settings.uses_simulator:
        typer.echo(f"  Supplier       {supplier_url(settings)} (simulator)")
    if settings.smtp_url is None:
        typer.echo(f"  Mails          {settings.mail_folder}")
    typer.echo(f"  Data           {settings.keyshop_home}")
    if accounts:
        typer.echo(f"\nAccounts to try it with (password {DEMO_PASSWORD}):")
    for account in accounts:
        typer.echo(f"  {account.email:<20} {account.description}")
    typer.echo("Ctrl-C stops everything.")


def _keep_running(servers: list[SharedServer], children: Children) -> None:
    while True:
        for server in servers:
            _restart_if_dead(server)
        deadline = time.monotonic() + _SERVER_POLL_INTERVAL
        while time.monotonic() < deadline:
            time.sleep(_POLL_INTERVAL)
            children.restart_dead()


def _restart_if_dead(server: SharedServer) -> None:
    try:
        server.ensure()
    except EmbeddedServerError as error:
        # The next check tries again: the fault may pass.
        _log.warning("server.away", server=server.title, reason=str(error))


def local_url(settings: Settings) -> str:
    """Return the address at which this machine reaches the shop."""
    host = _REACHED_AT.get(settings.keyshop_host, settings.keyshop_host)
    if ":" in host:
        # RFC 3986: brackets around an IPv6 address, and its zone's % escaped.
        host = f"[{host.replace('%', '%25')}]"
    return f"http://{host}:{settings.keyshop_port}"
