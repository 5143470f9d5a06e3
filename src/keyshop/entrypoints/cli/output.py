"""The output of commands: tables for people, one JSON document for programs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the rows under the title; cells are never read as markup."""
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        # The first column identifies the row, and is copied whole.
        table.add_column(column, overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(_printable("" if cell is None else str(cell)) for cell in row))
    Console().print(table if rows else Text(f"{title}: none."))


def print_record(title: str, facts: Sequence[tuple[str, object]]) -> None:
    """Print one object, a line for each fact that is not None; times to the second."""
    shown = [(name, _format(value)) for name, value in facts if value is not None]
    print_table(title, ("", ""), shown)


def _format(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%F %T} UTC"
    return round(value, 3) if isinstance(value, float) else value


def print_json(document: object) -> None:
    """Print the document on one line of standard output."""
    typer.echo(_ENCODER.encode(document).decode())


def _printable(text: str) -> Text:
    # Control characters in the supplier's texts must not change an operator's terminal.
    return Text("".join(letter if letter.isprintable() else " " for letter in text))
