"""`keyshop g2a ...`: query the supplier."""

import asyncio
from time import perf_counter
from typing import Annotated

import typer

from keyshop.assembly import supplier_url
from keyshop.entrypoints.cli.output import AsJson, print_json, print_record
from keyshop.entrypoints.cli.session import shop
from keyshop.gateways.g2a.budget import BudgetStatus
from keyshop.kit.errors import NotFound
from keyshop.supplier.models import Product

app = typer.Typer(no_args_is_help=True)


@app.command()
def ping(as_json: AsJson = False) -> None:
    """Call the supplier once, and show how fast it answers."""
    url, total, milliseconds = asyncio.run(_ping())
    if as_json:
        print_json({"url": url, "total": total, "milliseconds": milliseconds})
    else:
        typer.echo(f"{url} answered in {milliseconds:.0f} ms and lists {total} products.")


@app.command()
def product(
    product_id: Annotated[
        str, typer.Argument(metavar="ID", help="The supplier's product id, 14 digits.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show the supplier's current data of one product."""
    found = asyncio.run(_product(product_id))
    if as_json:
        print_json(found)
    else:
        rows = [(name.replace("_", " "), getattr(found, name)) for name in found.__struct_fields__]
        print_record(f"Product {product_id}", rows)


@app.command()
def budget(as_json: AsJson = False) -> None:
    """Show the limit on calls to the supplier, and when the next call is allowed."""
    view = asyncio.run(_budget())
    if as_json:
        print_json(view)
        return
    typer.echo(f"{view.limit} calls in {view.window_seconds:g} s, shared by all processes.")
    wait = f"in {view.wait_seconds:.1f} s" if view.wait_seconds > 0 else "now"
    typer.echo(f"The next call is allowed {wait}.")


async def _ping() -> tuple[str, int, float]:
    async with shop() as parts:
        started = perf_counter()
        page = await parts.supplier.list_products(1)
        return supplier_url(parts.settings), page.total, (perf_counter() - started) * 1000


async def _product(product_id: str) -> Product:
    async with shop() as parts:
        found = await parts.supplier.find_product(product_id)
    if found is None:
        raise NotFound(f"The supplier lists no product {product_id}.")
    return found


async def _budget() -> BudgetStatus:
    async with shop() as parts:
        return await parts.budget.read_status()
