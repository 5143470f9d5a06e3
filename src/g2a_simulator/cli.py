"""The command `g2a-simulator`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from g2a_simulator.credentials import SANDBOX, BuyerCredentials
from g2a_simulator.errors import InvalidCommand
from g2a_simulator.market import Market
from g2a_simulator.market_store import Mode
from g2a_simulator.server import serve
from g2a_simulator.settings import MarketSettings, apply_changes

_MAX_PRODUCTS = 1_000_000
app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Loopback port to listen on; 0 takes a free one.")
    ] = 8001,
    products: Annotated[
        int, typer.Option(min=0, max=_MAX_PRODUCTS, help="Number of products in the catalogue.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same catalogue.")] = 1,
    mode: Annotated[
        Mode, typer.Option(help="Data like a real shop's, or like the supplier's sandbox.")
    ] = ("realistic"),
    latency_ms: Annotated[
        float, typer.Option(min=0, help="Delay of every answer, in milliseconds.")
    ] = 0,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store orders, wallet and changes in this file."),
    ] = None,
    page_ceiling: Annotated[
        int, typer.Option(min=0, help="Last page of the list; 0 lifts the limit.")
    ] = 500,
    requests_per_minute: Annotated[
        int, typer.Option(min=0, help="Calls per minute; 0 lifts the limit.")
    ] = 600,
    drift: Annotated[float, typer.Option(min=0, help="Products that change per second.")] = 0,
    client_id: Annotated[str, typer.Option(help="Client id of the buyer.")] = SANDBOX.client_id,
    email: Annotated[str, typer.Option(help="E-mail address of the buyer.")] = SANDBOX.email,
    client_secret: Annotated[
        str, typer.Option(help="Client secret of the buyer.", show_default=False)
    ] = SANDBOX.client_secret,
    exit_with: Annotated[
        int | None, typer.Option(metavar="PID", help="Stop when this parent process ends.")
    ] = None,
) -> None:
    """Simulate the buyer API of G2A's marketplace on this machine."""
    limits = {
        "page_ceiling": page_ceiling or None,
        "requests_per_minute": requests_per_minute or None,
    }
    pace = {"latency_ms": latency_ms, "drift_per_second": drift}
    try:
        market = Market(
            products,
            seed,
            mode=mode,
            credentials=BuyerCredentials(client_id, email, client_secret),
            state=state,
        )
        market.settings = apply_changes(MarketSettings(), {**limits, **pace})
        uvloop.run(_run(market, port=port, exit_with=exit_with))
    except InvalidCommand as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


async def _run(market: Market, *, port: int, exit_with: int | None) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopped.set)
    try:
        async with serve(market, port) as url:
            typer.echo(f"The G2A simulator answers at {url} with {len(market.catalogue)} products.")
            sys.stdout.flush()
            await _wait(stopped, exit_with)
    finally:
        market.close()


async def _wait(stopped: asyncio.Event, exit_with: int | None) -> None:
    while not stopped.is_set():
        # A child gets no signal when its parent is killed, so it checks.
        if exit_with is not None and os.getppid() != exit_with:
            return
        try:
            await asyncio.wait_for(stopped.wait(), timeout=0.5)
        except TimeoutError:
            continue


def main() -> None:
    """Run the command."""
    app()
