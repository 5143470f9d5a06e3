"""`keyshop orders ...`: customers' orders."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer

from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json
from keyshop.entrypoints.cli.print_order import print_order, print_orders
from keyshop.entrypoints.cli.session import database, shop
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.orders.cancel import cancel_order
from keyshop.orders.get_order_id import get_order_id
from keyshop.orders.jobs import MailOrder
from keyshop.orders.list_for_operator import list_for_operator
from keyshop.orders.models import Refunded
from keyshop.orders.operator_queries import OrderSummary
from keyshop.orders.refund_order import refund_order
from keyshop.orders.resend import resend as resend_mail
from keyshop.orders.rules import clean_reason
from keyshop.orders.show_timeline import OrderReport, show_timeline

app = typer.Typer(no_args_is_help=True)

OrderId = Annotated[
    str, typer.Argument(metavar="ID", help="The order's id; its first 8 characters will do.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why; it is stored with the refund and in the timeline.")
]

_DEFAULT_LIMIT: Final = 100


@app.command(name="list")
def list_(
    is_open: Annotated[
        bool, typer.Option("--open", help="Only orders that are not final.")
    ] = False,
    is_foreign: Annotated[
        bool,
        typer.Option(
            "--foreign",
            help="Only orders that another program placed; keyshop works on none of them.",
        ),
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="How many, the newest first.")
    ] = _DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List orders, the newest first."""
    found = run_fast(_list(is_open=is_open, is_foreign=is_foreign, limit=limit))
    if as_json:
        print_json({"orders": found})
    else:
        print_orders(found)


@app.command()
def show(order_id: OrderId, as_json: AsJson = False) -> None:
    """Show an order, its units, and all that has happened to it."""
    report = run_fast(_show(order_id))
    if as_json:
        print_json(report)
    else:
        print_order(report)


@app.command()
def refund(
    order_id: OrderId,
    reason: Reason,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="ID", help="Only this unit; `orders show` lists them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Refund an order, or one unit of it; keys that were delivered are revoked."""
    reason = clean_reason(reason)

    async def change(db: Database, found_id: str) -> Refunded:
        return await refund_order(
            db, found_id, unit_id=unit, by=get_os_user(), reason=reason, now=utc_now()
        )

    _print_refunded(run_fast(_change(order_id, change)), as_json=as_json)


@app.command()
def cancel(order_id: OrderId, reason: Reason, as_json: AsJson = False) -> None:
    """Cancel and refund an order of which no key was delivered."""
    reason = clean_reason(reason)

    async def change(db: Database, found_id: str) -> Refunded:
        return await cancel_order(db, found_id, by=get_os_user(), reason=reason, now=utc_now())

    _print_refunded(run_fast(_change(order_id, change)), as_json=as_json)


@app.command()
def resend(order_id: OrderId, as_json: AsJson = False) -> None:
    """Send the mail of an order again, with its keys if it is final."""
    job = run_fast(_resend(order_id))
    if as_json:
        print_json({"order_id": job.order_id, "mail": job.kind, "copy": job.copy})
    else:
        typer.echo(f"The worker sends the {job.kind} mail of order {job.order_id} again.")


def _print_refunded(refunded: Refunded, *, as_json: bool) -> None:
    if as_json:
        print_json(refunded)
        return
    typer.echo(
        f"Refunded {refunded.amount} EUR to the customer's balance, for units:"
        f" {len(refunded.unit_ids)}. Order {refunded.order_id} is {refunded.status}."
    )


async def _list(*, is_open: bool, is_foreign: bool, limit: int) -> list[OrderSummary]:
    async with database() as db, db.read() as reader:
        return await list_for_operator(reader, is_open=is_open, is_foreign=is_foreign, limit=limit)


async def _show(order_id: str) -> OrderReport:
    async with database() as db, db.read() as reader:
        return await show_timeline(reader, await get_order_id(reader, order_id))


async def _resend(order_id: str) -> MailOrder:
    async with database() as db, db.transaction() as tx:
        found_id = await get_order_id(tx, order_id)
        return await resend_mail(tx, found_id, by=get_os_user(), now=utc_now())


async def _change(
    order_id: str, change: Callable[[Database, str], Awaitable[Refunded]]
) -> Refunded:
    # With the cache, so that the customer sees it at once.
    async with shop() as parts:
        async with parts.db.read() as reader:
            found_id = await get_order_id(reader, order_id)
        return await change(parts.db, found_id)
