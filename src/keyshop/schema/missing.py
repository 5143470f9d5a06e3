"""Finds the tables and columns of the shop that another application has removed or renamed."""

from typing import Final

from keyshop.schema.connect import Connection
from keyshop.schema.describe import read_prisma_schema

_COLUMNS: Final = """
    SELECT c.relname AS table, array_agg(a.attname::text) AS columns
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    GROUP BY c.relname
"""


async def list_missing_parts(connection: Connection) -> list[str]:
    """Return the tables (`public.users`) and columns (`public.users.role`) that are missing."""
    found = {each["table"]: set(each["columns"]) for each in await connection.fetch(_COLUMNS)}
    missing = []
    for table in read_prisma_schema().tables:
        name = f"public.{table.name}"
        if table.name not in found:
            missing.append(name)
            continue
        columns = found[table.name]
        missing += [f"{name}.{each.name}" for each in table.columns if each.name not in columns]
    return missing
