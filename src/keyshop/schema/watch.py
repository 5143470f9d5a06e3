"""Closes the cache while triggers, tables or columns that it needs are missing."""

import asyncio
from typing import Final

import asyncpg
import structlog
from prometheus_client import Counter

from keyshop.kit.errors import ShopError
from keyshop.schema.connect import Connection, connected
from keyshop.schema.missed import list_missed_tables
from keyshop.schema.missing import list_missing_parts
from keyshop.schema.triggers import list_trigger_faults

_INTERVAL: Final = 30.0  # seconds
_SETTINGS: Final = {"statement_timeout": "10s"}
_BLOCK: Final = "SELECT keyshop.cache_block($1)"
_FOLLOW: Final = "SELECT keyshop.follow_missed_changes()"

FAULTS: Final = Counter(
    "keyshop_schema_faults_total", "Checks that found triggers or columns missing.", ["table"]
)

_log = structlog.get_logger(__name__)


async def watch_schema(database_url: str) -> None:
    """Check every 30 s until cancelled; wait for PostgreSQL while it is unavailable."""
    while True:
        try:
            async with connected(database_url, _SETTINGS) as connection:
                await check_schema(connection)
        except (ShopError, asyncpg.PostgresError) as error:
            _log.warning("schema.not_checked", reason=str(error))
        await asyncio.sleep(_INTERVAL)


async def check_schema(connection: Connection) -> None:
    """
    Block the cache if triggers do not work or columns are missing; else let it open.

    Changes that triggers missed meanwhile are followed first.
    """
    tables = [each.table for each in await list_trigger_faults(connection)]
    tables += [".".join(name.split(".")[:2]) for name in await list_missing_parts(connection)]
    if not tables:
        tables = await _follow_missed_changes(connection)
    for table in sorted(set(tables)):
        FAULTS.labels(table).inc()
    names = ", ".join(sorted(set(tables)))
    reason = (
        f"Triggers or columns are missing, disabled or of another type: {names}."
        if tables
        else None
    )
    if not await connection.fetchval(_BLOCK, reason):
        return
    if reason:
        _log.error("cache.blocked", reason=reason)
    else:
        _log.info("cache.unblocked")


async def _follow_missed_changes(connection: Connection) -> list[str]:
    """Follow what triggers have missed; return the tables whose changes still cannot be followed."""
    tables = await list_missed_tables(connection)
    if not tables:
        return []
    try:
        await connection.execute(_FOLLOW)
    except asyncpg.PostgresError as error:
        _log.warning("schema.changes_not_followed", tables=tables, reason=str(error))
        return tables
    _log.info("schema.changes_followed", tables=tables)
    return []
