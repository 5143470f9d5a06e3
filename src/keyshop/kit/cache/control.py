"""The control row: what PostgreSQL says of the cache."""

from typing import Final

from asyncpg import Connection, InterfaceError, Record
from msgspec import Struct

_READ: Final = "SELECT * FROM keyshop.cache_view()"

CLOSED_FOR: Final = 0.5  # seconds after a CLOSE until no process trusts an older view any more


class Control(Struct, frozen=True, kw_only=True):
    """The control row at one moment."""

    seq: int
    """Raised by every change that matters; two rows of one `seq` say the same."""

    shop: str
    """Which shop's: part of every name in Redis."""

    timeline: str
    """PostgreSQL's own history; a promoted standby begins another."""

    epoch: str
    tag: str
    """What values that may be served begin with: shop, timeline and epoch."""

    incarnation: str
    is_open: bool
    cold_next: bool
    """The next opening must begin a new epoch."""

    closed_seconds: float
    """Time since the last CLOSE."""

    beat_seconds: float
    """Time since the beginning of the last relay round that delivered everything."""


async def read_control(connection: "Connection[Record]") -> Control:
    """
    Look at the control row.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL does not answer.
    """
    record = await connection.fetchrow(_READ)
    if record is None:
        raise InterfaceError("The control row of the cache is gone.")
    return Control(
        seq=record["seq"],
        shop=record["shop"],
        timeline=record["timeline"],
        epoch=record["epoch"],
        tag=f"{record['shop']}.{record['timeline']}.{record['epoch']}",
        incarnation=record["incarnation"],
        is_open=record["state"] == "OPEN",
        cold_next=record["cold_next"],
        closed_seconds=record["closed_seconds"],
        beat_seconds=record["beat_seconds"],
    )
