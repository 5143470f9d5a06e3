"""Read keys from a CSV file, line by line: a file may be larger than the memory."""

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from keyshop.kit.errors import Invalid
from keyshop.kit.secrets import Secret

_MAX_LINE: Final = 65_536  # bytes; of a longer line only the beginning is read
_BYTE_ORDER_MARK: Final = "\ufeff"
_HEADERS: Final = (["key"], ["game", "key"])
_BROKEN: Final = '"'


class CsvLine(Struct, frozen=True):
    """A line with a key; without `text`, no key can be read from it."""

    number: int
    game: str | None = None
    text: Secret | None = None


class NoGameNamed(Invalid):
    """A file with one column needs the game by name."""

    def __init__(self) -> None:
        super().__init__(
            "The file has one column; name the game of its keys with --game, or give each line as"
            " game,key."
        )


def read_csv(file: BinaryIO, *, game: str | None) -> Iterator[CsvLine]:
    """
    Yield the lines that are not empty, numbered from 1.

    With a `game`, each line holds a key; without one, the id or slug of a game and a key. A first
    line of the column names `key`, or `game` and `key`, is passed over.

    Raises:
        NoGameNamed: without a `game`, the first line has one column.
    """
    for number, line in enumerate(_read_lines(file), start=1):
        text = _decode(line).strip("\r\n")
        if number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        if not text.strip():
            continue
        columns = _split(text)
        if number == 1 and game is None and len(columns) == 1:
            raise NoGameNamed
        if number == 1 and [name.strip().lower() for name in columns] in _HEADERS:
            continue
        yield _to_line(number, columns, game)


def _to_line(number: int, columns: list[str], game: str | None) -> CsvLine:
    if len(columns) != (2 if game is None else 1):
        return CsvLine(number)
    return CsvLine(number, game or columns[0].strip(), Secret(columns[-1]))


def _decode(line: bytes) -> str:
    """Return the line, or a quote that is not closed for one that PostgreSQL cannot store."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return _BROKEN
    return _BROKEN if "\0" in text else text


def _split(text: str) -> list[str]:
    """Return the columns of one line; none if its quotes do not match."""
    try:
        # Each line by itself: a quote that is not closed must not take the next keys with it.
        return next(csv.reader([text], strict=True))
    except csv.Error:
        return []


def _read_lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(_MAX_LINE)
        yield line
