"""What the role in DATABASE_URL lacks for taking a database over."""

from collections.abc import Iterator
from typing import Final

from keyshop.schema.compare import Difference
from keyshop.schema.connect import Connection

_RIGHTS: Final = """
    SELECT current_user AS role, to_regnamespace('keyshop') IS NOT NULL AS schema_exists,
        has_database_privilege(current_database(), 'CREATE') AS may_create_schemas,
        has_schema_privilege('public', 'CREATE') AS may_create_indexes
"""

_TABLES: Final = """
    SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
        pg_has_role(c.relowner, 'USAGE') AS is_ours, row_security_active(c.oid) AS is_filtered
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY($1)
    ORDER BY c.relname COLLATE "C"
"""


async def find_obstacles(
    connection: Connection, tables: list[str], *, begun: bool
) -> list[Difference]:
    """Return what would refuse the take-over of these tables, or of one that has begun."""
    record = await connection.fetchrow(_RIGHTS)
    if record is None:
        raise LookupError("SELECT without FROM returns one row.")
    role: str = record["role"]
    found = []
    if record["schema_exists"] and not begun:
        found.append(("schema keyshop", "exists already; keyshop makes its own"))
    if not record["may_create_schemas"] and not begun:
        found.append(("this database", f"role {role} may not create a schema in it"))
    if not record["may_create_indexes"]:
        found.append(("schema public", f"role {role} may not create indexes in it"))
    for table in await connection.fetch(_TABLES, tables):
        found += _of_table(
            role, table["name"], table["owner"], table["is_ours"], table["is_filtered"]
        )
    return [Difference(True, where, what) for where, what in found]


def _of_table(
    role: str, name: str, owner: str, is_ours: bool, is_filtered: bool
) -> Iterator[tuple[str, str]]:
    if not is_ours:
        yield name, f"belongs to role {owner}, in whose name role {role} may not act"
    if is_filtered:
        yield name, f"shows role {role} some rows only (row level security)"
