"""The figures of the cache that PostgreSQL holds."""

from typing import Final

from msgspec import Struct

from keyshop.kit.database.transaction import Reader

OUTBOX: Final = """
    SELECT count(*) AS rows, count(*) FILTER (WHERE NOT guarded) AS unguarded,
        coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS oldest
    FROM keyshop.cache_outbox
"""
_CONTROL: Final = """
    SELECT state = 'OPEN' AS is_open, seq, beat_seconds FROM keyshop.cache_view()
"""


class OutboxStatistics(Struct, frozen=True):
    """Rows that are not delivered yet, and the age of the oldest in seconds."""

    rows: int
    unguarded: int
    oldest: float


class ControlStatistics(Struct, frozen=True):
    """The metrics of the control row; `beat_seconds` is the age of the relay's beat."""

    is_open: bool
    seq: int
    beat_seconds: float


async def read_statistics(reader: Reader) -> tuple[ControlStatistics, OutboxStatistics]:
    control = await reader.fetchrow(_CONTROL)
    outbox = await reader.fetchrow(OUTBOX)
    return (
        ControlStatistics(*(control or (False, 0, 0.0))),
        OutboxStatistics(*(outbox or (0, 0, 0.0))),
    )
