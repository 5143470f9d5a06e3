"""`keyshop keys ...`: the shop's own keys."""

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from keyshop.entrypoints.cli.loop import run_fast
from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.entrypoints.cli.output import AsJson, print_json, print_table
from keyshop.entrypoints.cli.session import database, shop
from keyshop.keys.adopt_keys import AdoptTotals, adopt_keys
from keyshop.keys.import_keys import LineReport, import_keys
from keyshop.keys.models import AddOutcome, KeyState, ListedKey
from keyshop.keys.read_csv import read_csv
from keyshop.keys.release_keys import release_keys
from keyshop.keys.revoke_key import revoke_key
from keyshop.keys.rotate_keys import RotateTotals, rotate_keys
from keyshop.keys.show_stock import Stock, get_game_id, list_keys, show_stock
from keyshop.kit.clock import utc_now
from keyshop.kit.errors import Conflict, Invalid

app = typer.Typer(no_args_is_help=True)

_MAX_ATTEMPTS: Final = 3

Report = Callable[[LineReport], None]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file; - is standard input.")],
    game: Annotated[
        str | None,
        typer.Option("--game", help="Id or slug of the game of all keys; else each line names it."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write what became of each line to a new file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import keys, a line each: `key` with --game, else `game,key`."""
    with _open(file) as lines, _open_report(report) as write_report:

        def write(line: LineReport) -> None:
            write_report(line)
            if not as_json and line.outcome is not AddOutcome.ADDED:
                typer.echo(f"Line {line.number}: {line.outcome}")

        totals = run_fast(_import(lines, game, write))
    if as_json:
        print_json({outcome.name.lower(): totals[outcome] for outcome in AddOutcome})
    else:
        counts = (f"{outcome} {totals[outcome]:,}" for outcome in AddOutcome)
        typer.echo(f"Keys: {', '.join(counts)}.")


@app.command()
def adopt(as_json: AsJson = False) -> None:
    """Take keys into the vault that another program stored in game_keys."""
    totals = run_fast(_adopt())
    if as_json:
        print_json(totals)
        return
    typer.echo(
        f"Adopted: {totals.free} to sell, {totals.delivered} delivered, {totals.held} held"
        " (`keyshop keys list --held` shows why)."
    )
    if totals.unusable:
        typer.echo(f"Not adopted: {totals.unusable}, whose text can be no key.")


@app.command()
def rotate(as_json: AsJson = False) -> None:
    """Seal all keys with the first key of KEY_ENCRYPTION_KEYS; move texts as KEY_STORAGE says."""
    totals = run_fast(_rotate())
    if as_json:
        print_json(totals)
        return
    typer.echo(f"Sealed anew: {totals.resealed}. Changed in game_keys: {totals.moved}.")
    if totals.left:
        typer.echo(
            f"Left as they were: {totals.left}, which are in use just now, cannot be unsealed, or"
            " were changed by another program; run it again."
        )
    elif totals.unused_versions:
        versions = ", ".join(str(version) for version in totals.unused_versions)
        typer.echo(f"KEY_ENCRYPTION_KEYS may lose these versions now: {versions}.")


@app.command("list")
def list_all(
    held: Annotated[bool, typer.Option("--held", help="Only held keys.")] = False,
    game: Annotated[
        str | None, typer.Option("--game", help="Only of this game: id or slug.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List keys without their texts, the newest first."""
    found = run_fast(_list(game, KeyState.HELD if held else None, limit))
    if as_json:
        print_json(found)
    else:
        columns = ("Key", "Game", "State", "Source", "Order", "Reason", "Added")
        print_table("Keys", columns, [_row(key) for key in found])


@app.command()
def release(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of held keys.")],
    as_json: AsJson = False,
) -> None:
    """Let held keys be sold: all of these, or none."""
    run_fast(_release(ids))
    if as_json:
        print_json({"released": ids})
    else:
        typer.echo(f"Released: {len(set(ids))}.")


@app.command()
def revoke(
    vault_key_id: Annotated[
        str, typer.Argument(metavar="ID", help="A key that was not delivered.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Stands in the journal.")],
    as_json: AsJson = False,
) -> None:
    """Withdraw a key from the stock; it is never sold."""
    run_fast(_revoke(vault_key_id, reason))
    if as_json:
        print_json({"revoked": vault_key_id})
    else:
        typer.echo(f"Key {vault_key_id} is revoked.")


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Count keys by state and game."""
    stock = run_fast(_stats())
    if as_json:
        print_json(stock)
    else:
        _print_stock(stock)


def _print_stock(stock: Stock) -> None:
    totals = stock.totals
    columns = ("Game", "Title", "Free", "Delivered", "Held")
    rows = [
        (game.game_id, game.title, game.free, game.delivered, game.held)
        for game in stock.games
        if game.free or game.delivered or game.held
    ]
    print_table("Own keys", columns, rows)
    typer.echo(
        f"{totals.free} to sell, {totals.delivered} delivered, {totals.held} held,"
        f" {totals.revoked} revoked."
    )
    if totals.unadopted:
        typer.echo(
            f"{totals.unadopted} keys of another program are not sold: run `keyshop keys adopt`."
        )
    unsaleable = [(game.game_id, game.title) for game in stock.games if game.is_unsaleable]
    if unsaleable:
        print_table("In stock, without a key to sell", ("Game", "Title"), unsaleable)


def _row(key: ListedKey) -> tuple[object, ...]:
    reason = key.held_reason and f"{key.held_reason} {key.duplicate_of or ''}".strip()
    added = f"{key.created_at:%F %T}"
    return (key.id, key.title or key.game_id, key.state, key.source, key.order_id, reason, added)


@contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise Conflict(f"Cannot read {file} ({error.strerror}).") from error
    with opened:
        yield opened


@contextmanager
def _open_report(path: Path | None) -> Iterator[Report]:
    """Return what writes one line of the report."""
    if path is None:
        yield _ignore
        return
    try:
        file = path.open("x", encoding="utf-8", newline="")
    except OSError as error:
        raise Conflict(f"Cannot write {path} ({error.strerror}); name another file.") from error
    with file:
        writer = csv.writer(file)
        writer.writerow(("line", "outcome"))
        yield lambda line: _write(writer, line)


def _ignore(line: LineReport) -> None:
    """Keep no report."""


def _write(writer: Any, line: LineReport) -> None:
    writer.writerow((line.number, line.outcome))


async def _import(file: BinaryIO, game: str | None, report: Report) -> Counter[AddOutcome]:
    async with shop() as parts:
        if game is not None:
            async with parts.db.read() as reader:
                game = await get_game_id(reader, game)
        return await import_keys(
            parts.db,
            parts.vault,
            read_csv(file, game=game),
            by=get_os_user(),
            now=utc_now(),
            report=report,
        )


async def _adopt() -> AdoptTotals:
    async with shop() as parts:
        return await adopt_keys(parts.db, parts.vault, by=get_os_user(), now=utc_now())


async def _rotate() -> RotateTotals:
    async with shop() as parts:
        return await rotate_keys(parts.db, parts.vault, by=get_os_user(), now=utc_now())


async def _list(game: str | None, state: KeyState | None, limit: int) -> list[ListedKey]:
    async with database() as db, db.read() as reader:
        return await list_keys(reader, game=game, state=state, limit=limit)


async def _release(ids: list[str]) -> None:
    async with shop() as parts:
        await parts.db.run(
            lambda tx: release_keys(tx, parts.vault, ids, by=get_os_user(), now=utc_now()),
            attempts=_MAX_ATTEMPTS,
        )


async def _revoke(vault_key_id: str, reason: str) -> None:
    if not reason.strip():
        raise Invalid("--reason must say why the key is withdrawn.")
    async with shop() as parts:
        await parts.db.run(
            lambda tx: revoke_key(
                tx, vault_key_id, reason=reason.strip(), by=get_os_user(), now=utc_now()
            ),
            attempts=_MAX_ATTEMPTS,
        )


async def _stats() -> Stock:
    async with database() as db, db.read() as reader:
        return await show_stock(reader)
