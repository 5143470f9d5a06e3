"""Finds the privileges that the role in DATABASE_URL lacks to attach a database."""

from typing import Final

from keyshop.schema.compare import Difference
from keyshop.schema.connect import Connection

_PRIVILEGES: Final = """
    SELECT current_user AS role, to_regnamespace('keyshop') IS NOT NULL AS schema_exists,
        has_database_privilege(current_database(), 'CREATE') AS may_create_schemas,
        has_schema_privilege('public', 'CREATE') AS may_create_indexes
"""

_TABLES: Final = """
    SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner,
        pg_has_role(c.relowner, 'USAGE') AS may_act_as_owner, row_security_active(c.oid) AS is_filtered
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = ANY($1)
    ORDER BY c.relname COLLATE "C"
"""


async def find_missing_privileges(
    connection: Connection, tables: list[str], *, begun: bool
) -> list[Difference]:
    """Return what prevents the role from attaching these tables; an attach may have begun."""
    record = await connection.fetchrow(_PRIVILEGES)
    if record is None:
        raise LookupError("SELECT without FROM returns one row.")
    role: str = record["role"]
    missing = []
    if record["schema_exists"] and not begun:
        missing.append(("schema keyshop", "exists already; keyshop creates its own"))
    if not record["may_create_schemas"] and not begun:
        missing.append(("this database", f"role {role} may not create a schema in it"))
    if not record["may_create_indexes"]:
        missing.append(("schema public", f"role {role} may not create indexes in it"))
    for table in await connection.fetch(_TABLES, tables):
        name, owner = table["name"], table["owner"]
        if not table["may_act_as_owner"]:
            missing.append(
                (name, f"belongs to role {owner}, and role {role} is not a member of it")
            )
        if table["is_filtered"]:
            missing.append((name, f"hides rows from role {role} (row level security)"))
    return [Difference(True, where, what) for where, what in missing]
