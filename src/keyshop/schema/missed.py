"""Finds tables whose changes keyshop's triggers could not follow, because columns were missing."""

from typing import Final

from keyshop.schema.connect import Connection

_HAS_TABLE: Final = "SELECT to_regclass('keyshop.missed_changes') IS NOT NULL"
_TABLES: Final = "SELECT DISTINCT table_name FROM keyshop.missed_changes ORDER BY 1"


async def list_missed_tables(connection: Connection) -> list[str]:
    """Return the tables (`public.games`) with changes that have not been followed yet."""
    if not await connection.fetchval(_HAS_TABLE):
        return []
    return [record["table_name"] for record in await connection.fetch(_TABLES)]
