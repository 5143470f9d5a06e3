"""`keyshop wallet ...`: customers' money."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import typer

from keyshop.accounts.get_account import get_account
from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json, print_record, print_table
from keyshop.entrypoints.cli.session import shop
from keyshop.kit.clock import utc_now
from keyshop.kit.database.transaction import Transaction
from keyshop.kit.errors import Invalid
from keyshop.wallet.adopt_changes import adopt_changes
from keyshop.wallet.correct_balance import OperatorsAct, credit_user, debit_user
from keyshop.wallet.models import Adopted, Entry
from keyshop.wallet.rules import parse_amount
from keyshop.wallet.show_statement import Statement, show_statement
from keyshop.wallet.statement_queries import StatementLine

app = typer.Typer(no_args_is_help=True)

EmailOrId = Annotated[
    str, typer.Argument(metavar="EMAIL|ID", help="The account's e-mail address or id.")
]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="In EUR, such as 12.50.")]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="Why, for the journal; name no person. The customer does not see it."
    ),
]

_MAX_ATTEMPTS: Final = 3
_MAX_REASON: Final = 500  # characters


@app.command("top-up")
def top_up(email_or_id: EmailOrId, amount: Amount, reason: Reason, as_json: AsJson = False) -> None:
    """Add money to a customer's balance."""
    user_id, entry = run_fast(_credit(email_or_id, parse_amount(amount), _checked(reason)))
    _print_entry(user_id, entry, as_json=as_json)


@app.command()
def debit(email_or_id: EmailOrId, amount: Amount, reason: Reason, as_json: AsJson = False) -> None:
    """Take money from a customer's balance; refused if there is less."""
    user_id, entry = run_fast(_debit(email_or_id, parse_amount(amount), _checked(reason)))
    _print_entry(user_id, entry, as_json=as_json)


@app.command()
def adopt(email_or_id: EmailOrId, reason: Reason, as_json: AsJson = False) -> None:
    """Explain what other programs did to a balance; moves no money."""
    user_id, adopted = run_fast(_adopt(email_or_id, _checked(reason)))
    if as_json:
        print_json({"id": user_id, **_as_dict(adopted)})
    elif adopted.changes:
        typer.echo(
            f"Account {user_id}: explained {adopted.changes} changes of other programs"
            f" ({adopted.balance:+} EUR of the balance, {adopted.ledger:+} EUR of the ledger)."
        )
    else:
        typer.echo(f"Account {user_id} has no unexplained changes; nothing was changed.")


@app.command()
def statement(email_or_id: EmailOrId, as_json: AsJson = False) -> None:
    """Show line by line what a balance is made of, and what other programs did to it."""
    shown = run_fast(_show(email_or_id))
    if as_json:
        print_json(shown)
    else:
        _print_statement(shown)


async def _credit(email_or_id: str, amount: Decimal, reason: str) -> tuple[str, Entry]:
    async def work(tx: Transaction) -> tuple[str, Entry]:
        act = await _act(tx, email_or_id, amount, reason)
        return act.user_id, await credit_user(tx, act, now=utc_now())

    async with shop() as opened:
        return await opened.db.run(work, attempts=_MAX_ATTEMPTS)


async def _debit(email_or_id: str, amount: Decimal, reason: str) -> tuple[str, Entry]:
    async def work(tx: Transaction) -> tuple[str, Entry]:
        act = await _act(tx, email_or_id, amount, reason)
        return act.user_id, await debit_user(tx, act, now=utc_now())

    async with shop() as opened:
        return await opened.db.run(work, attempts=_MAX_ATTEMPTS)


async def _act(tx: Transaction, email_or_id: str, amount: Decimal, reason: str) -> OperatorsAct:
    account = await get_account(tx, email_or_id)
    return OperatorsAct(user_id=account.id, amount=amount, reason=reason, by=get_os_user())


async def _adopt(email_or_id: str, reason: str) -> tuple[str, Adopted]:
    async def work(tx: Transaction) -> tuple[str, Adopted]:
        account = await get_account(tx, email_or_id)
        adopted = await adopt_changes(
            tx, account.id, reason=reason, by=get_os_user(), now=utc_now()
        )
        return account.id, adopted

    async with shop() as opened:
        return await opened.db.run(work, attempts=_MAX_ATTEMPTS)


async def _show(email_or_id: str) -> Statement:
    async with shop() as opened, opened.db.read() as reader:
        account = await get_account(reader, email_or_id)
        return await show_statement(reader, account.id)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= _MAX_REASON or not reason.isprintable():
        raise Invalid(f"A reason is one line of 1 to {_MAX_REASON} characters.")
    return reason


def _print_entry(user_id: str, entry: Entry, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "id": user_id,
                "transaction": entry.id,
                "amount": entry.amount,
                "balance": entry.balance,
            }
        )
    else:
        typer.echo(
            f"Account {user_id}: {entry.amount:+} EUR, balance {entry.balance} EUR"
            f" (transaction {entry.id})."
        )


def _print_statement(shown: Statement) -> None:
    balance = Decimal(0)
    lines: list[tuple[object, ...]] = []
    for line in shown.lines:
        balance += line.amount
        lines.append((_time(line.happened_at), line.amount, balance, _describe(line)))
    print_table("Balance", ("time (UTC)", "EUR", "balance", "what"), lines)
    if shown.odd_top_ups:
        print_table(
            "Payments that do not fit",
            ("top-up", "EUR", "state", "reason", "time (UTC)"),
            [
                (each.id, each.amount, each.state, each.reason, _time(each.updated_at))
                for each in shown.odd_top_ups
            ],
        )
    print_record(
        f"Account {shown.user_id}",
        [
            ("balance in EUR", shown.balance),
            ("sum of the lines", shown.explained),
            ("not explained yet", shown.unadopted or None),
        ],
    )


def _describe(line: StatementLine) -> str:
    facts = [line.kind, line.detail]
    if line.ledger_amount and line.is_foreign:
        facts.append(f"{line.ledger_amount:+} in rows, which count nothing")
    if line.adopted_by is not None:
        facts.append(f"explained by {line.adopted_by}")
    return ", ".join(fact for fact in facts if fact)


def _time(moment: datetime) -> str:
    return f"{moment:%F %T}"


def _as_dict(adopted: Adopted) -> dict[str, object]:
    return {name: getattr(adopted, name) for name in Adopted.__struct_fields__}
