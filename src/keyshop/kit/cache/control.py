"""The control row: the state of the cache in PostgreSQL."""

from typing import Final

from asyncpg import Connection, InterfaceError, Record
from msgspec import Struct

_READ: Final = "SELECT * FROM keyshop.cache_view()"

# Seconds for which a process may rely on the row as it last read it. A writer that has closed the cache
# waits as long.
MAX_VIEW_AGE: Final = 0.5


class Control(Struct, frozen=True, kw_only=True):
    """The control row at one moment."""

    seq: int
    """Raised by every change but the beat's; two views with one `seq` agree on everything else."""

    shop: str
    """Part of every name in Redis, so that two shops can share one server."""

    timeline: str
    """PostgreSQL's timeline; a promoted standby begins a new one."""

    epoch: str
    tag: str
    """The beginning of every value that may be served: shop, timeline and epoch."""

    incarnation: str
    is_open: bool
    cold_next: bool
    """The next opening must begin a new epoch."""

    blocked: str | None
    """Why the cache must stay closed; None: it may open."""

    closed_seconds: float
    """Time since the last CLOSE."""

    beat_seconds: float
    """Time since the start of the last relay round that delivered everything."""


async def read_control(connection: "Connection[Record]") -> Control:
    """
    Return the control row.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: PostgreSQL does not answer.
    """
    record = await connection.fetchrow(_READ)
    if record is None:
        raise InterfaceError("The control row of the cache is missing.")
    return Control(
        seq=record["seq"],
        shop=record["shop"],
        timeline=record["timeline"],
        epoch=record["epoch"],
        tag=f"{record['shop']}.{record['timeline']}.{record['epoch']}",
        incarnation=record["incarnation"],
        is_open=record["state"] == "OPEN",
        cold_next=record["cold_next"],
        blocked=record["blocked"],
        closed_seconds=record["closed_seconds"],
        beat_seconds=record["beat_seconds"],
    )
