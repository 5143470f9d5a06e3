"""Conversion between PostgreSQL and Python: rows as Structs, times as aware UTC."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, TypeVar

import asyncpg
import msgspec
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

# Quoted: only the type checker knows them as generic.
AnyConnection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"
_Row = TypeVar("_Row", bound=msgspec.Struct)

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


def rows(kind: type[_Row], records: Iterable[Record]) -> list[_Row]:
    """Return the records as Structs, whose fields have the names of the columns."""
    return [kind(**record) for record in records]


def row(kind: type[_Row], record: Record) -> _Row:
    return kind(**record)


async def prepare_connection(connection: AnyConnection) -> None:
    """
    Make `timestamp` columns read and write aware UTC times.

    The driver itself refuses aware values for them, and returns naive ones.
    """
    await connection.set_type_codec(
        "timestamp",
        schema="pg_catalog",
        encoder=_encode_timestamp,
        decoder=_decode_timestamp,
        format="tuple",
    )


def _encode_timestamp(moment: datetime) -> tuple[int]:
    return ((moment - _EPOCH) // _MICROSECOND,)


def _decode_timestamp(value: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value[0])
    except OverflowError:
        # PostgreSQL has infinity, and years beyond those of a datetime.
        return _LATEST if value[0] > 0 else _EARLIEST
