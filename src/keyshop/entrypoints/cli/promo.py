"""`keyshop promo ...`: promo codes."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from keyshop.catalog.rules import MARKUP
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import database
from keyshop.kit.clock import utc_now
from keyshop.promotions.create_promo import create_promo
from keyshop.promotions.list_promos import list_promos
from keyshop.promotions.models import NewPromo, Promo

app = typer.Typer(no_args_is_help=True)

_MARKUP_PERCENT: Final = ((MARKUP - 1) * 100).normalize()
_LAST_MOMENT: Final = timedelta(days=1) - timedelta(milliseconds=1)  # of a day


def _parse_percent(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text} is not a number.") from None


def _parse_start(text: str) -> datetime:
    return _parse_moment(text, of_day=timedelta(0))


def _parse_end(text: str) -> datetime:
    return _parse_moment(text, of_day=_LAST_MOMENT)


def _parse_moment(text: str, *, of_day: timedelta) -> datetime:
    """Return the time that the text names; of a day, the moment `of_day` after it begins."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) + of_day
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text} is not a date such as 2026-12-31.") from None


@app.command()
def create(
    code: Annotated[str, typer.Argument(help="Letters, digits, '-' and '_', in any case.")],
    percent: Annotated[
        Decimal,
        typer.Option(
            "--percent", parser=_parse_percent, help="The discount: above 0, at most 100."
        ),
    ],
    end: Annotated[
        datetime,
        typer.Option("--until", parser=_parse_end, help="The last day, or a time, in UTC."),
    ],
    start: Annotated[
        datetime | None,
        typer.Option("--from", parser=_parse_start, help="The first day, or a time; default: now."),
    ] = None,
    max_uses: Annotated[
        int | None, typer.Option("--max-uses", help="For all customers; default: no limit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a promo code, which takes a percentage off orders."""
    promo = NewPromo(
        code=code,
        percent=percent,
        max_uses=max_uses,
        valid_from=start or utc_now(),
        valid_until=end,
    )
    promo = run_fast(_create(promo))
    if as_json:
        print_json(promo)
        return
    typer.echo(f"Created {promo.code}: {promo.percent} % off, until {promo.valid_until:%F %T} UTC.")
    if promo.percent > _MARKUP_PERCENT:
        typer.echo(
            f"The shop adds {_MARKUP_PERCENT} % to the supplier's prices, so orders with this code"
            " can cost it more than they bring in.",
            err=True,
        )


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List all promo codes, the newest first."""
    promos = run_fast(_list())
    if as_json:
        print_json({"promos": promos})
        return
    print_table(
        "Promo codes",
        ("code", "percent", "uses", "from (UTC)", "until (UTC)", "active"),
        [
            (
                promo.code,
                promo.percent,
                f"{promo.used_count} of {promo.max_uses}" if promo.max_uses else promo.used_count,
                f"{promo.valid_from:%F %R}",
                f"{promo.valid_until:%F %R}",
                "yes" if promo.active else "no",
            )
            for promo in promos
        ],
    )


async def _create(promo: NewPromo) -> NewPromo:
    async with database() as db, db.transaction() as tx:
        return await create_promo(tx, promo, by=get_os_user(), now=utc_now())


async def _list() -> list[Promo]:
    async with database() as db, db.read() as reader:
        return await list_promos(reader)
